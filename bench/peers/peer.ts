import type { PublishTarget } from '../publisher.ts';
import type { RedisServer } from '../redis-server.ts';

export type PeerName = 'sisyphus' | 'nchan' | 'nchan-redis' | 'loop' | 'pushpin' | 'mercure' | 'centrifugo';

/** One user's stream: the channels (numbers, see publisher.ts) whose events it must get. */
export interface Reader {
  user: number;
  channels: readonly number[];
}

/** How long polls are asked for: see c/polls.c. */
export type PollForm = 'rt' | 'nchan' | 'stream';

export interface Server {
  port: number;
  /** What tells that a stream stands: the response's head, or the `ok` frame. */
  readyOn: 'head' | 'ok';
  /** Roots of the process trees whose processor time and memory count as the server's. */
  pids: number[];
  redis?: RedisServer;
  /** Unanswered requests at once that it bears, where that is fewer than a scenario would like. */
  inFlight?: number;
  publish: PublishTarget;
  /** The other way to publish, where a peer has one: plain `PUBLISH`, recorded by the gateway. */
  publishPlain?: PublishTarget;
  path(reader: Reader): string;
  /** The path of a long poll of one channel, in each form that the peer has. */
  poll?: Partial<Record<PollForm, (channel: string) => string>>;
  /** Gives the readers their rights, where the peer has any. */
  admit?(readers: readonly Reader[]): Promise<void>;
  close(): Promise<void>;
}

export interface Peer {
  name: PeerName;
  /** Why it cannot run here, or its version. */
  probe(): { missing: string } | { version: string };
  start(env?: Record<string, string>): Promise<Server>;
}

export const channelName = (n: number): string => (n < 1_000_000 ? `room:${n}` : `user:${n - 1_000_000}`);
