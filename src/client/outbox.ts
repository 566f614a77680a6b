/** Texts that are sent in one request. */
export interface Batch {
  number: number;
  /** A JSON array. */
  body: string;
}

/** The gateway takes so many texts in one request, and 1 MB. */
const MOST = 1000;
const MOST_BYTES = 500_000;

/**
 * Texts that wait until the gateway has taken them.
 *
 * Invariant: a batch keeps its number and its texts until it is taken, so that the gateway knows it if it comes again.
 */
export class Outbox {
  /** The bytes of all texts that the gateway has not taken. */
  bytes = 0;
  readonly #waiting: string[] = [];
  #batch: (Batch & { bytes: number }) | undefined;
  #batches = 0;

  /** @param isLost it is too late to send the text: it is only counted */
  add(text: string, isLost: boolean): void {
    this.bytes += sizeOf(text);
    if (!isLost) this.#waiting.push(String(text));
  }

  get isEmpty(): boolean {
    return !this.#batch && this.#waiting.length === 0;
  }

  /** The batch to be sent now. It is the same one until `taken` is called. */
  batch(): Batch | undefined {
    if (this.isEmpty || this.#batch) return this.#batch;
    let [count, length, bytes] = [0, 0, 0];
    for (const text of this.#waiting.slice(0, MOST)) {
      length += sizeOf(JSON.stringify(text));
      if (count > 0 && length > MOST_BYTES) break;
      count++;
      bytes += sizeOf(text);
    }
    this.#batch = { number: ++this.#batches, body: JSON.stringify(this.#waiting.splice(0, count)), bytes };
    return this.#batch;
  }

  /** To be called when the gateway has taken the batch. */
  taken(): void {
    this.bytes -= this.#batch?.bytes ?? 0;
    this.#batch = undefined;
  }
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
