import type { Position } from '../message/position.ts';

/** Messages that are timed at most: in one turn of the event loop, or in one round of `Flusher`. */
export const MOST_TIMED = 10_000;

/** The polls that were given messages in one turn of the event loop. */
interface Batch {
  ids: Position[];
  /** How many of the polls have no answer yet. */
  left: number;
  isComplete: boolean;
}

/**
 * Times messages up to the last write of the polls that were waiting for them; `Flusher` does the same for streams. What a poll is given while it
 * reads what it has missed is not announced, and so it is not timed: how old that is depends on the client.
 */
export class WriteTimer {
  readonly #onWritten: (ids: readonly Position[]) => void;
  #batch: Batch | undefined;

  /** @param onWritten called with messages that were announced, when the last of their polls has its answer, or has ended without one */
  constructor(onWritten: (ids: readonly Position[]) => void) {
    this.#onWritten = onWritten;
  }

  /** To be called when a poll is given its first message. @returns to be called once, when it has its answer */
  begin(): () => void {
    const batch = this.#batch ?? this.#open();
    batch.left++;
    return () => {
      batch.left--;
      this.#finish(batch);
    };
  }

  /** Announces a message that was just given to all of its readers. */
  announce(id: Position): void {
    if (this.#batch && this.#batch.ids.length < MOST_TIMED) this.#batch.ids.push(id);
  }

  #open(): Batch {
    const batch: Batch = { ids: [], left: 0, isComplete: false };
    this.#batch = batch;
    setImmediate(() => {
      this.#batch = undefined;
      batch.isComplete = true;
      this.#finish(batch);
    });
    return batch;
  }

  #finish({ ids, left, isComplete }: Batch): void {
    if (isComplete && left === 0 && ids.length > 0) this.#onWritten(ids);
  }
}
