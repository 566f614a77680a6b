import type { Page, ReadRequest } from '../../backlog/backlog.ts';
import { isForgotten, reasonOf } from '../../backlog/gap.ts';
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

  /** `starts`: positions to read from, instead of `after` of the requests. */
  constructor(requests: ReadRequest[], starts: (Position | undefined)[]) {
    const { length } = requests;
    this.channels = requests.map(({ channel }) => channel);
    this.#known = Float64Array.from({ length }, (_, i) => starts[i] ?? requests[i]!.after);
    this.#upTo = Float64Array.from(requests, ({ upTo }) => upTo);
    this.#next = new Float64Array(length);
    this.#bytes = new Uint32Array(length);
    this.#isOwed = Uint8Array.from(requests, ({ last }) => (last === undefined ? 1 : 0));
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

  /** Notes a gap, if the store may have forgotten messages of the channel: it knows of none before. */
  noteForgotten(number: number, page: Page, { knownSince }: Ages): void {
    const known = this.#known[number] as Position;
    if (this.#isOwed[number] && isForgotten(BEGINNING, known, knownSince))
      page.gaps.set(this.channels[number]!, 'expired');
  }

  /** Notes that all messages up to `lastMissing` that were not read are gone; `revision`: of the message after it. */
  #noteMissing(number: number, lastMissing: Position, revision: number, page: Page, ages: Ages): void {
    if (lastMissing === BEGINNING) this.noteForgotten(number, page, ages);
    const known = this.#known[number] as Position;
    if (!isAfter(lastMissing, known) || !isAfter(this.#upTo[number] as Position, known)) return;
    if (this.#isOwed[number]) page.gaps.set(this.channels[number]!, reasonOf(lastMissing, ages.oldest, revision));
    this.#known[number] = lastMissing;
  }
}
