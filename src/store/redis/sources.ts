import type { Page, ReadRequest } from '../../backlog/backlog.ts';
import { isForgotten, reasonOf } from '../../backlog/gap.ts';
import type { Message } from '../../message/message.ts';
import { BEGINNING, comparePositions, isAfter, laterOf, type Position } from '../../message/position.ts';
import type { State } from './page-answer.ts';

/** What a page is judged by. */
export interface Ages {
  /** Where what is replayed begins, by its age. */
  oldest: Position;
  /** Of a channel of which nothing is known nothing was published since then. */
  knownSince: Position;
}

/**
 * Channels, and how far reading each of them has got, by their numbers. In columns of numbers, not as objects: a reader may have
 * thousands of channels, and many readers come back at once (9,000 channels of 20 readers: 7 MB instead of 35).
 */
export class Sources {
  readonly channels: string[];
  /** Everything up to this has been read, or is known to be gone. */
  readonly #known: Float64Array;
  /** Nothing after this is read. */
  readonly #upTo: Float64Array;
  /** The message that comes next, and its size with its envelope; unless it has to be looked for. */
  readonly #next: Float64Array;
  readonly #bytes: Uint32Array;
  /** Whether the reader is owed everything, so that a gap is told of. */
  readonly #isOwed: Uint8Array;

  /** `starts`: from where on is read, instead of what a request says. */
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

  /** As `sisyphus_read` is told of it. */
  argumentsFor(number: number): [string, number, number, number] {
    return [this.channels[number]!, this.#known[number]!, this.#next[number]!, this.#bytes[number]!];
  }

  latestOf(numbers: number[]): Position {
    return numbers.map((number) => this.#upTo[number] as Position).reduce(laterOf, BEGINNING);
  }

  /** In the order of what comes next in them. */
  sort(numbers: number[]): number[] {
    return numbers.sort((a, b) => comparePositions(this.next(a), this.next(b)));
  }

  /** Ids rise: if the last message of a channel was no later than what is read, none will be. */
  endAt(number: number, head: Position): void {
    if (isAfter(this.#upTo[number] as Position, head)) this.#upTo[number] = head;
  }

  /** Puts a message on the page, unless it is later than what is read. */
  take(number: number, message: Message, page: Page, ages: Ages): void {
    const upTo = this.#upTo[number] as Position;
    this.#noteMissing(number, message.previous, message.revision, page, ages);
    if (!isAfter(message.id, upTo)) page.messages.push(message);
    this.#known[number] = isAfter(message.id, upTo) ? upTo : message.id;
  }

  /** Answers whether there is more to read. */
  moveOn(
    number: number,
    { head, next = BEGINNING, bytes, previous, revision }: State,
    page: Page,
    ages: Ages,
  ): boolean {
    // If nothing is kept, the last that is known of is gone too.
    const lastMissing = next === BEGINNING ? laterOf(head, this.next(number)) : previous;
    this.#noteMissing(number, lastMissing, revision, page, ages);
    this.#next[number] = next;
    this.#bytes[number] = bytes;
    return next !== BEGINNING && !isAfter(next, this.#upTo[number] as Position);
  }

  /** Nothing is known of what the channel had before, and something may have been forgotten. */
  noteForgotten(number: number, page: Page, { knownSince }: Ages): void {
    const known = this.#known[number] as Position;
    if (this.#isOwed[number] && isForgotten(BEGINNING, known, knownSince))
      page.gaps.set(this.channels[number]!, 'expired');
  }

  /** Everything up to `lastMissing` that has not been read is gone; `revision` is that of the message behind it. */
  #noteMissing(number: number, lastMissing: Position, revision: number, page: Page, ages: Ages): void {
    if (lastMissing === BEGINNING) this.noteForgotten(number, page, ages);
    const known = this.#known[number] as Position;
    if (!isAfter(lastMissing, known) || !isAfter(this.#upTo[number] as Position, known)) return;
    if (this.#isOwed[number]) page.gaps.set(this.channels[number]!, reasonOf(lastMissing, ages.oldest, revision));
    this.#known[number] = lastMissing;
  }
}
