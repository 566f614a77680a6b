/** What has bytes to send. */
export interface Flushable {
  /** Sends them in one write. */
  flush(): void;
}

/** Milliseconds of writing before others get a turn: a fan-out to 10,000 streams is 80 ms of writes. */
const SLICE = 4;

/**
 * Writes what one turn of the event loop has brought: the frames of a stream together, big fan-outs in slices.
 * A stream that got a frame alone does not wait behind a crowd (`urgent`).
 */
export class Flusher {
  readonly #urgent: Flushable[] = [];
  #crowd: Flushable[] = [];
  #next = 0;
  #scheduled = false;

  add(flushable: Flushable, urgent: boolean): void {
    (urgent ? this.#urgent : this.#crowd).push(flushable);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const until = performance.now() + SLICE;
    for (const flushable of this.#urgent) flushable.flush();
    this.#urgent.length = 0;
    while (this.#next < this.#crowd.length) {
      this.#crowd[this.#next++]!.flush();
      if (this.#next % 64 === 0 && performance.now() > until) break;
    }
    if (this.#next >= this.#crowd.length) {
      this.#crowd = [];
      this.#next = 0;
    }
    this.#scheduled = this.#crowd.length > 0;
    if (this.#scheduled) setImmediate(this.#run);
  };
}
