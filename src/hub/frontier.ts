import { BEGINNING, laterOf, type Position } from '../message/position.ts';
import { type Gap, isSameGap, type Mark } from './channel-source.ts';

/** What the store was said to have: a gap, or a new life. */
export type Hint = Gap | { born: Position };

/** What a mark tells that was not known. */
export interface Learned {
  /** The store has begun a new life, and is not new to this process. */
  isFlushed: boolean;
  /** Gaps of this life that were not known. */
  fresh: Gap[];
  /** As they were known before. */
  before: Gap[];
}

/**
 * How far the store has been heard, in which life of it, and with which gaps.
 *
 * Invariant: everything up to `position` on every followed channel has been given, or announced. It moves forward with `reached`, and
 * only `restart` sets it back, where the ids of the store have gone back themselves.
 */
export class Frontier {
  #position = BEGINNING;
  #born = BEGINNING;
  #heard = BEGINNING;
  #gaps: Gap[] = [];

  get position(): Position {
    return this.#position;
  }

  /** The id that began this life of the store. */
  get born(): Position {
    return this.#born;
  }

  /** The last id that came with a message: a plain PUBLISH that is heard now was made after it. */
  get heard(): Position {
    return this.#heard;
  }

  /** In order; few, or none. */
  get gaps(): Gap[] {
    return this.#gaps;
  }

  reached(position: Position): void {
    this.#position = laterOf(this.#position, position);
  }

  restart(position: Position): void {
    this.#position = position;
  }

  hear(id: Position): void {
    this.#heard = laterOf(this.#heard, id);
  }

  learn({ born, gaps }: Pick<Mark, 'born' | 'gaps'>): Learned {
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

  /** Whether the store has begun a new life, or has a new gap, or knows more of one. */
  differsFrom({ born, gaps }: Pick<Mark, 'born' | 'gaps'>): boolean {
    const known = this.#gaps;
    return born !== this.#born || gaps.length !== known.length || gaps.some((gap, i) => !isSameGap(gap, known[i]!));
  }
}
