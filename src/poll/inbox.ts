/** A message of a browser that is to be forwarded to the application. */
export interface Letter {
  /** Its entry in the stream. */
  entry: string;
  id: string;
  /** When it was received (ms since 1970). */
  time: number;
  session: string;
  /** Empty if the session carries nobody's stream. */
  user: string;
  data: string;
  /** How many times it was tried, by what the store has counted. The first delivery counts as the first time. */
  tries: number;
  /** Whether the coming try is counted already. */
  isCounted: boolean;
}

/**
 * What browsers have sent, as the one gateway that forwards takes it.
 *
 * Invariant: a letter is in the inbox until it is done or buried, whatever happens to the gateway that has taken it.
 */
export interface Inbox {
  /** Whether this gateway forwards for so long (ms): no other one does. */
  lease(ms: number): Promise<boolean>;
  /** The letters that a gateway has taken and not ended, in order. Called at the beginning of a lease. */
  takeOver(): Promise<Letter[]>;
  /** New letters, in order; waits so long for them (ms). */
  next(count: number, wait: number): Promise<Letter[]>;
  /** Counts the coming try, before it is made. */
  count(letter: Letter): Promise<void>;
  /** Ends the letter, and sends the answer of the application to the session, in one step. */
  done(letter: Letter, answer: string): Promise<void>;
  /** Whether the letter was not ended yet. */
  isPending(letter: Letter): Promise<boolean>;
  /** Ends a letter that could not be forwarded, and keeps it elsewhere, with the reason. */
  bury(letter: Letter, reason: string): Promise<void>;
  /** For an application that reads the inbox itself: makes the group, and removes what every group has acknowledged. */
  tidy(): Promise<void>;
}
