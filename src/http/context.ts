import type { BacklogReader, Publisher, RightsReader } from '../backlog/backlog.ts';
import type { Config } from '../config.ts';
import type { Flusher } from '../connection/flusher.ts';
import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Trouble } from '../hub/trouble.ts';
import type { Logger } from '../logger.ts';
import type { Repeats } from '../repeats.ts';
import type { SessionRegistry } from '../session/session-registry.ts';

/** What the routes work with. */
export interface HttpContext {
  /** The largest message is one for all gateways, and may change. */
  config: Omit<Config, 'maxMessage'>;
  maxMessage: () => number;
  logger: Logger;
  hub: Hub;
  publisher: Publisher;
  /** For sessions. */
  backlog: RightsReader & BacklogReader;
  sessions: SessionRegistry;
  flusher: Flusher;
  counters: Counters;
  recordsPlain: (channel: string) => boolean;
  /** For `/status` and `/readyz`. */
  recorder: () => RecorderStatus;
  /** The same; `undefined` where this gateway shares its store with no other. */
  settings: () => SettingsStatus | undefined;
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

/** The settings that are one for all gateways. */
export interface SettingsStatus {
  /** Raised with each change. */
  version: number;
  /** Where this gateway is configured otherwise; what counts is `installation`. */
  differences: { variable: string; here: string; installation: string }[];
  /** What this gateway cannot keep of its promises for it, and what would be right. */
  problems: string[];
}

export interface RecorderStatus {
  /** `off`: plain PUBLISHes are not recorded; `unknown`: Redis has not been asked yet. */
  role: 'off' | 'unknown' | 'leader' | 'standby' | 'spare';
  /** Whether somebody records: who has the lease has renewed it lately. */
  recording: boolean;
}
