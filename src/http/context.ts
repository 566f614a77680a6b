import type { Backlog } from '../backlog/backlog.ts';
import type { Config } from '../config.ts';
import type { Flusher } from '../connection/flusher.ts';
import type { Hub } from '../hub/hub.ts';
import type { Trouble } from '../hub/trouble.ts';
import type { Logger } from '../logger.ts';
import type { Repeats } from '../repeats.ts';
import type { SessionRegistry } from '../session/session-registry.ts';

/** What the routes work with. */
export interface HttpContext {
  config: Config;
  logger: Logger;
  hub: Hub;
  backlog: Backlog;
  sessions: SessionRegistry;
  flusher: Flusher;
  recordsPlain: (channel: string) => boolean;
  /** For `/status` and `/readyz`. */
  recorder: () => RecorderStatus;
  /** For lines in the log that many sessions may cause at once. */
  repeats: Repeats;
  /** What the store does not do now. */
  troubles: () => Trouble[];
  isDraining: () => boolean;
  /** For `/status`: what somebody should think about. */
  warnings: () => string[];
  version: string;
  store: 'redis' | 'memory';
}

export interface RecorderStatus {
  /** `off`: plain PUBLISHes are not recorded; `unknown`: Redis has not been asked yet. */
  role: 'off' | 'unknown' | 'leader' | 'standby' | 'spare';
  /** Whether somebody records: who has the lease has renewed it lately. */
  recording: boolean;
  recorded: number;
  /** Plain PUBLISHes that could not be recorded, because of what is kept of their channel. */
  unrecordable: number;
  fenced: number;
  changes: number;
}
