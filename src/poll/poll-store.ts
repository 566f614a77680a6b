import type { Format } from '../connection/encode.ts';

/** A poll session whose messages are those of a user's stream, besides what is sent to it. */
export interface Carried {
  user: string;
  /** The hash of the credential with which the session was opened; empty if its mode has none that could be compared. */
  binding: string;
  format: Format;
  /** From where the stream is read, as text; empty: from now on. */
  position: string;
  /** Whether the status `ok` has been said, and no other one since. */
  isTold: boolean;
  /** The number of the last batch of the session. */
  number: number;
}

/** What a stream has brought since the last call. */
export interface Progress {
  position: string;
  isTold: boolean;
  /** The number of the batch behind which the stream was read. If there is a later one, another poll has read the stream, too. */
  number: number;
  frames: string[];
}

/** One call of a poll for its next batch. */
export interface Claim {
  session: string;
  /** The name of the poll; no other poll has it. */
  poll: string;
  /** Whether it is the first call of the poll, which makes it the newest one of the session. */
  isFirst: boolean;
  /** The number of the last batch that the browser has named. */
  got: string;
  progress?: Progress | undefined;
}

export type Claimed =
  | { kind: 'unknown' }
  /** Another poll of the session is the newest one. */
  | { kind: 'older' }
  /** @property again after how long the poll has to ask again at the latest (ms) */
  | { kind: 'wait'; again: number | undefined }
  /** @property text a JSON array */
  | { kind: 'batch'; number: number; text: string };

/**
 * Keeps poll sessions for all gateways. Every call is one atomic step, and may be made again if its answer is lost. It rejects with a
 * SisyphusError within the times of patience.ts.
 */
export interface PollStore {
  /** Called with a session whose polls have to ask again; without one: all of them. */
  onNews: (session: string | undefined) => void;
  /**
   * Begins a session. Answers its name: another one, if a session has already taken the place of `instead`, which is not known any more.
   * A browser that sends and polls finds out twice at a time, and goes on with one session.
   */
  open(session: string, hasAck: boolean, carried: Carried | undefined, instead?: string): Promise<string>;
  /** What the session carries: `nothing` for a session without a user, `undefined` if there is no such session. */
  read(session: string): Promise<Carried | 'nothing' | undefined>;
  claim(claim: Claim): Promise<Claimed>;
  /** Says that a poll has ended. `written`: at least one byte of its batch was written. */
  end(session: string, poll: string, how: 'written' | 'back'): Promise<void>;
  /** Answers how many older messages were dropped; `undefined` if there is no such session. */
  send(session: string, messages: string[]): Promise<number | undefined>;
  /**
   * Puts messages of the browser into the inbox. Answers whether there is such a session.
   *
   * @param request the browser's name of its request, unless it has none: the same one again, within a minute, puts nothing into the inbox
   */
  receive(session: string, messages: string[], request: string | undefined): Promise<boolean>;
}
