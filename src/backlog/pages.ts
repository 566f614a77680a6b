import type { Message } from '../message/message.ts';
import { comparePositions } from '../message/position.ts';
import type { Page, Reading, ReadRequest, Slice } from './backlog.ts';

/** A page is full with so many bytes of messages, or with one that is larger, … */
export const PAGE_BYTES = 256 * 1024;
/** … or with so many messages: to give them to a stream takes about 2 ms, in which nobody else gets their turn. */
export const PAGE_MESSAGES = 400;

/** What has been read already, in pages. */
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

/** All pages at once, a slice for each request; a channel may come more than once here. */
export async function readSlices(
  requests: ReadRequest[],
  open: (requests: ReadRequest[]) => Promise<Reading>,
): Promise<Slice[]> {
  const slices: Slice[] = requests.map(({ channel }) => ({ channel, messages: [], gap: undefined }));
  let left = [...requests.keys()];
  while (left.length > 0) {
    const of = new Map<string, Slice>();
    for (const i of left) if (!of.has(requests[i]!.channel)) of.set(requests[i]!.channel, slices[i]!);
    const asked = left.filter((i) => of.get(requests[i]!.channel) === slices[i]);
    left = left.filter((i) => of.get(requests[i]!.channel) !== slices[i]);
    await fill(of, await open(asked.map((i) => requests[i]!)));
  }
  return slices;
}

async function fill(slices: Map<string, Slice>, reading: Reading): Promise<void> {
  const note = (gaps: Reading['gaps']): void => {
    for (const [channel, reason] of gaps) slices.get(channel)!.gap ??= reason;
  };
  note(reading.gaps);
  for (let page = await reading.next(); page; page = await reading.next()) {
    note(page.gaps);
    for (const message of page.messages) slices.get(message.channel)!.messages.push(message);
  }
}
