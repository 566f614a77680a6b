import { BEGINNING, laterOf, type Position } from '../message/position.ts';
import { type Gap, isSameGap, type Mark } from './channel-source.ts';

/** A claim about the store that came as a message and is not confirmed yet: it has a gap, or a new life. */
export type Hint = Gap | { born: Position };

/** The part of a mark that shows in which life the store is, and what was lost in it. */
type Life = Pick<Mark, 'born' | 'gaps'>;

/** What was new in a mark. */
export interface Learned {
  /** The store has begun a new life, and this process already knew an earlier one. */
  isFlushed: boolean;
  /** Gaps of the life known so far that were not known; none if the life is new. */
  fresh: Gap[];
  /** The gaps as they were known before the mark; none if the life is new. */
  before: Gap[];
}

/**
 * How far the hub has received the store's messages, in which life of the store, and with which gaps.
 *
 * Invariant: every message up to `position` on every followed channel has been delivered, or its loss has been announced. `reached` moves
 * the position forward; only `restart` sets it back, if the ids of the store have gone back themselves.
 */
export class Frontier {
  #position = BEGINNING;
  #born = BEGINNING;
  #heard = BEGINNING;
  #gaps: Gap[] = [];

  get position(): Position {
    return this.#position;
  }

  /** The id with which this life of the store began. */
  get born(): Position {
    return this.#born;
  }

  /** The highest id that was received with a message: a plain PUBLISH that is received now was made after it. */
  get heard(): Position {
    return this.#heard;
  }

  /** In the order of ids; few, or none. */
  get gaps(): Gap[] {
    return this.#gaps;
  }

  /** Every message up to this position has been delivered, or its loss has been announced. */
  reached(position: Position): void {
    this.#position = laterOf(this.#position, position);
  }

  /** Sets the position at the end of a healing. It is lower than before if the ids of the store have gone back. */
  restart(position: Position): void {
    this.#position = position;
  }

  /** Called for each message that is received, also if it is queued, unless the store can hardly have given out its id. */
  hear(id: Position): void {
    this.#heard = laterOf(this.#heard, id);
  }

  /** Takes over the life and the gaps of a mark, which has all of them. */
  learn({ born, gaps }: Life): Learned {
    const before = this.#gaps;
    const isNew = this.#born !== born;
    const isFlushed = isNew && this.#born !== BEGINNING;
    const fresh = isNew ? [] : gaps.filter(({ to }) => !before.some((gap) => gap.to === to));
    this.#born = born;
    this.#gaps = gaps;
    return { isFlushed, fresh, before: isNew ? [] : before };
  }

  knows(hint: Hint): boolean {
    return 'born' in hint ? hint.born === this.#born : this.#gaps.some((gap) => isSameGap(gap, hint));
  }

  /** Whether the store has begun a new life, has other gaps, or knows more about one of them. */
  differsFrom({ born, gaps }: Life): boolean {
    const known = this.#gaps;
    return born !== this.#born || gaps.length !== known.length || gaps.some((gap, i) => !isSameGap(gap, known[i]!));
  }
}
