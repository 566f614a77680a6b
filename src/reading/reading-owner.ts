import type { Reader } from '../hub/subscription.ts';

/** The owner of a reading: a session. */
export interface ReadingOwner extends Reader {
  /** Looks up the channels, if they are stale. */
  renew(): Promise<void>;
  /** Called when the reading begins to hold messages. */
  onHold(): void;
  /** Called when the first frame has been sent. */
  onOpen(): void;
  /** Called when the held messages cannot be given: the client's connection is closed. */
  onFailure(error: Error): void;
}
