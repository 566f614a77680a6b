import type { Backlog } from '../backlog/backlog.ts';
import type { ChannelSource } from '../hub/channel-source.ts';
import type { Trouble } from '../hub/trouble.ts';

/** Where messages live: Redis, or this process's memory. Both pass test/contract. */
export interface Store {
  readonly kind: 'redis' | 'memory';
  readonly source: ChannelSource;
  readonly backlog: Backlog;
  /** Whether the store answers now. */
  ping(): Promise<boolean>;
  /** Whether the store has said anything to anybody here since the last call. */
  hasSpoken(): boolean;
  /** What it does not do now; empty as a rule. */
  troubles(): Trouble[];
  close(): Promise<void>;
}
