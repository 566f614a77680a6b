import type { Backlog, Retention } from '../backlog/backlog.ts';
import type { ChannelSource } from '../hub/channel-source.ts';
import type { Trouble } from '../hub/trouble.ts';
import type { PlainSource } from '../recorder/plain-source.ts';
import type { Agreement } from './settings.ts';

/** Where messages live: Redis, or this process's memory. Both pass test/contract. */
export interface Store {
  readonly kind: 'redis' | 'memory';
  readonly source: ChannelSource;
  readonly backlog: Backlog;
  /** `undefined` if no plain PUBLISHes are recorded. */
  readonly plain: PlainSource | undefined;
  /** `undefined` if this gateway shares the store with no other. */
  readonly settings: Agreement | undefined;
  /** Whether the settings that are one for all gateways are known, and none of them keeps this one from its promises. */
  readonly isSettled: boolean;
  /** The largest message (bytes), as it counts for all gateways now. */
  readonly maxMessage: number;
  /** What is kept of a channel, as it counts for all gateways now. */
  retention(channel: string): Retention;
  /** Whether plain PUBLISHes on this channel are recorded. */
  recordsPlain(channel: string): boolean;
  /** Connects, and goes on doing so until it is closed. */
  start(): void;
  /** The store has lost its memory: it has to be told again what this gateway is configured with. */
  configure(): void;
  /** Whether the store answers now. */
  ping(): Promise<boolean>;
  /** Whether the store has said anything to anybody here since the last call. */
  hasSpoken(): boolean;
  /** What it does not do now; empty as a rule. */
  troubles(): Trouble[];
  /** May be called twice, and before `start`. */
  close(): Promise<void>;
}
