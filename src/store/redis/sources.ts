import type { Page, ReadRequest } from '../../backlog/backlog.ts';
import { gapOf, isForgotten } from '../../backlog/gap.ts';
import type { Message } from '../../message/message.ts';
import { BEGINNING, comparePositions, isAfter, laterOf, type Position } from '../../message/position.ts';
import type { State } from './page-answer.ts';

/** The positions by which the gaps of a page are judged. */
export interface Ages {
  /** Messages before this position are too old to be replayed. */
  oldest: Position;
  /** On a channel that the store does not know, nothing was published since then. */
  knownSince: Position;
}

/**
 * Channels by number, and how far each of them has been read. In columns of numbers, not as objects, because a reader may have
 * thousands of channels, and many readers come back at once (9,000 channels of 20 readers: 7 MB instead of 35).
 */
export class Sources {
  readonly channels: string[];
  /** Everything up to this has been read, or is known to be gone. */
  readonly #known: Float64Array;
  /** Messages after this are not read. */
  readonly #upTo: Float64Array;
  /** The id of the next message, and its size with its envelope (bytes), unless the message has to be looked for. */
  readonly #next: Float64Array;
  readonly #bytes: Uint32Array;
  /** 1 if the reader should get all messages, and so is notified of a gap; 0 if it requested the last so many. */
  readonly #isOwed: Uint8Array;
  /** See `Retention`. */
  readonly #isConflated: (channel: string) => boolean;

  /** `starts`: positions to read from, instead of `after` of the requests. */
  constructor(
    requests: ReadRequest[],
    starts: (Position | undefined)[],
    isConflated: (channel: string) => boolean = () => false,
  ) {
    const { length } = requests;
    this.channels = requests.map(({ channel }) => channel);
    this.#known = Float64Array.from({ length }, (_, i) => starts[i] ?? requests[i]!.after);
    this.#upTo = Float64Array.from(requests, ({ upTo }) => upTo);
    this.#next = new Float64Array(length);
    this.#bytes = new Uint32Array(length);
    this.#isOwed = Uint8Array.from(requests, ({ last }) => (last === undefined ? 1 : 0));
    this.#isConflated = isConflated;
  }

  next(number: number): Position {
    return this.#next[number] as Position;
  }

  bytes(number: number): number {
    return this.#bytes[number]!;
  }

  /** The arguments of `sisyphus_read` for this channel. */
  argumentsFor(number: number): [string, number, number, number] {
    return [this.channels[number]!, this.#known[number]!, this.#next[number]!, this.#bytes[number]!];
  }

  latestOf(numbers: number[]): Position {
    return numbers.map((number) => this.#upTo[number] as Position).reduce(laterOf, BEGINNING);
  }

  /** Sorts the numbers by the next messages of their channels. */
  sort(numbers: number[]): number[] {
    return numbers.sort((a, b) => comparePositions(this.next(a), this.next(b)));
  }

  /** Ends the channel at its head, if that is before the end of the reading: ids rise, so no message will come in between. */
  endAt(number: number, head: Position): void {
    if (isAfter(this.#upTo[number] as Position, head)) this.#upTo[number] = head;
  }

  /** Puts a message on the page, unless it is after the end of the reading. */
  take(number: number, message: Message, page: Page, ages: Ages): void {
    const upTo = this.#upTo[number] as Position;
    this.#noteMissing(number, message.previous, message.revision, page, ages);
    if (!isAfter(message.id, upTo)) page.messages.push(message);
    this.#known[number] = isAfter(message.id, upTo) ? upTo : message.id;
  }

  /** Takes the next message of the channel; answers whether there is more to read. */
  moveOn(
    number: number,
    { head, next = BEGINNING, bytes, previous, revision }: State,
    page: Page,
    ages: Ages,
  ): boolean {
    // If no message is kept, the last known one is gone too.
    const lastMissing = next === BEGINNING ? laterOf(head, this.next(number)) : previous;
    this.#noteMissing(number, lastMissing, revision, page, ages);
    this.#next[number] = next;
    this.#bytes[number] = bytes;
    return next !== BEGINNING && !isAfter(next, this.#upTo[number] as Position);
  }

  /** Notes a gap, if the store may have forgotten messages of the channel: it knows of none. */
  noteForgotten(number: number, page: Page, ages: Ages): void {
    this.#noteMissing(number, BEGINNING, 0, page, ages);
  }

  /** Notes that all messages up to `lastMissing` that were not read are gone; `next`: the revision of the message after it, 0 if none. */
  #noteMissing(number: number, lastMissing: Position, next: number, page: Page, { oldest, knownSince }: Ages): void {
    const known = this.#known[number] as Position;
    const isMissing = isAfter(lastMissing, known) && isAfter(this.#upTo[number] as Position, known);
    if (!isMissing && !isForgotten(lastMissing, known, knownSince)) return;
    if (isMissing) this.#known[number] = lastMissing;
    if (!this.#isOwed[number]) return;
    const channel = this.channels[number]!;
    const gap = gapOf({ lastMissing, oldest, next, isConflated: this.#isConflated(channel) });
    if (gap) page.gaps.set(channel, gap);
  }
}
