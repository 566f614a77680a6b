import type { Message } from '../message/message.ts';
import { comparePositions } from '../message/position.ts';
import type { Page, Reading, Slice } from './backlog.ts';

/** The most bytes of messages on a page; a single message that is larger has a page of its own. */
export const PAGE_BYTES = 256 * 1024;
/** The most messages on a page: delivering them to a stream takes about 2 ms, during which no other stream gets its turn. */
export const PAGE_MESSAGES = 400;

/** A reading of slices that have been read already, in pages. */
export class ReadSlices implements Reading {
  readonly gaps: Reading['gaps'] = new Map();
  readonly #messages: Message[] = [];
  readonly #signal: AbortSignal | undefined;
  #next = 0;

  constructor(slices: Slice[], signal?: AbortSignal) {
    this.#signal = signal;
    for (const { channel, gap, messages } of slices) {
      if (gap) this.gaps.set(channel, gap);
      for (const message of messages) this.#messages.push(message);
    }
    this.#messages.sort((a, b) => comparePositions(a.id, b.id));
  }

  async next(): Promise<Page | undefined> {
    this.#signal?.throwIfAborted();
    if (this.#next >= this.#messages.length) return undefined;
    const messages: Message[] = [];
    let bytes = 0;
    while (this.#next < this.#messages.length && messages.length < PAGE_MESSAGES) {
      const message = this.#messages[this.#next]!;
      if (bytes > 0 && bytes + message.payload.length > PAGE_BYTES) break;
      bytes += message.payload.length;
      messages.push(message);
      this.#next++;
    }
    return { gaps: new Map(), messages };
  }
}
