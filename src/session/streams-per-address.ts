/** The open streams of one client address. */
export interface AddressCount {
  readonly key: string;
  streams: number;
}

/**
 * Counts the open streams of each client address. The streams of an address share one object, so that counting costs each of them one
 * field.
 */
export class StreamsPerAddress {
  readonly #counts = new Map<string, AddressCount>();

  of(key: string): number {
    return this.#counts.get(key)?.streams ?? 0;
  }

  add(key: string): AddressCount {
    let count = this.#counts.get(key);
    if (!count) {
      count = { key, streams: 0 };
      this.#counts.set(key, count);
    }
    count.streams++;
    return count;
  }

  remove(count: AddressCount): void {
    if (--count.streams === 0) this.#counts.delete(count.key);
  }
}
