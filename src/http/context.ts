import type { BacklogReader, Publisher, RightsReader } from '../backlog/backlog.ts';
import type { DirectPublisher } from '../backlog/direct-publisher.ts';
import type { Collections } from '../collection/collections.ts';
import type { Config } from '../config/config.ts';
import type { Flusher } from '../connection/flusher.ts';
import type { WriteTimer } from '../connection/write-timer.ts';
import type { Counters } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Trouble } from '../hub/trouble.ts';
import type { Limits } from '../limits/limits.ts';
import type { Logger } from '../logger.ts';
import type { Tokens } from '../message/token.ts';
import type { Gathered } from '../metrics/report.ts';
import type { Polls } from '../poll/polls.ts';
import type { PublishSecrets } from '../publish-secrets.ts';
import type { Repeats } from '../repeats.ts';
import type { SessionRegistry } from '../session/session-registry.ts';
import type { FleetWatch } from './console/fleet-watch.ts';
import type { Descriptors } from './descriptors.ts';

/** The parts of the gateway that the HTTP side works with. */
export interface HttpContext {
  /** Without `maxMessage`: all gateways of an installation share that setting, and it may change while they run. */
  config: Omit<Config, 'maxMessage'>;
  /** The largest message at present (bytes). */
  maxMessage: () => number;
  logger: Logger;
  hub: Hub;
  publisher: Publisher;
  /** The publish secrets in force. */
  secrets: PublishSecrets;
  collections: Collections;
  tokens: Tokens;
  /** The polls that wait; `undefined` if `/sock.it/` is off, or if the store is in memory. */
  polls: Polls | undefined;
  /** Sessions read rights and missed messages from it. */
  backlog: RightsReader & BacklogReader;
  sessions: SessionRegistry;
  /** Counts for this gateway, over all of its workers. */
  sharedLimits: Limits;
  flusher: Flusher;
  /** Time what polls are given. */
  writes: Record<'poll' | 'rt' | 'sock.it', WriteTimer>;
  descriptors: Descriptors;
  /** The reports of all processes that one answer of `/status` or `/metrics` is about. */
  gather: () => Promise<Gathered>;
  /** `undefined` if the console is off. */
  fleet: FleetWatch | undefined;
  /** For the console; `undefined` if nobody but the gateway can publish in the store. */
  direct: DirectPublisher | undefined;
  counters: Counters;
  recordsPlain: (channel: string) => boolean;
  /** For `/status` and `/readyz`. */
  recorder: () => RecorderStatus;
  /** For `/status` and `/readyz`; `undefined` if this gateway shares its store with no other. */
  settings: () => SettingsStatus | undefined;
  /** Limits log lines that many sessions may cause at once. */
  repeats: Repeats;
  /** What the store cannot do at present. */
  troubles: () => Trouble[];
  isStopping: () => boolean;
  isDraining: () => boolean;
  /** Warnings for the operator, shown on `/status`. */
  warnings: () => string[];
  version: string;
  store: 'redis' | 'memory';
}

/** The state of the settings that all gateways of an installation share. */
export type SettingsStatus = {
  /** Raised with each change. */
  version: number;
  /** Settings that differ in the configuration of this gateway; the value of `installation` is in force. */
  differences: { variable: string; here: string; installation: string }[];
  /** Guarantees that this gateway cannot keep because of a difference, each with the expected setting. */
  problems: string[];
};

export type RecorderStatus = {
  /** `off`: plain PUBLISHes are not recorded; `unknown`: Redis has not been asked yet. */
  role: 'off' | 'unknown' | 'leader' | 'standby' | 'spare';
  /** Whether some gateway records: the owner of the lease has renewed it lately. */
  recording: boolean;
};
