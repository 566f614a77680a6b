import type { Gap, Mark } from '../../hub/channel-source.ts';
import { BEGINNING, isAfter, justAfter, justBefore, laterOf, type Position } from '../../message/position.ts';
import { UnfitError } from './redis-error.ts';

/** A replica may be so far behind its master (ms); what has not come by then may be lost. */
const LAG = 3000;

/** What the store says of itself; without a position and a birth there is none. */
export interface ReadOnlyMark extends Omit<Mark, 'position' | 'born'> {
  position: Position | undefined;
  born: Position | undefined;
}

/**
 * Judges what `sisyphus_mark_ro` answers. A Redis that takes no writes cannot note that it has lost what was heard from it, or
 * that it is empty: until it can, that is kept here, so that readers are told, and once.
 */
export class ReadOnlyMarks {
  readonly #now: () => number;
  #behindSince: number | undefined;
  #fork: Gap | undefined;
  /** Of the life that an empty store may begin. */
  #born: Position | undefined;

  constructor(now: () => number = performance.now.bind(performance)) {
    this.#now = now;
  }

  /** Above what ids must rise, if `position` is what readers may have been given: a fork is to be written as it was told. */
  floor(position: Position): Position {
    return this.#fork?.to === position ? justBefore(position) : position;
  }

  /** It takes writes. */
  reset(): void {
    this.#behindSince = undefined;
    this.#fork = undefined;
    this.#born = undefined;
  }

  /**
   * `floor`: what readers may have been given. `isReplica`: of a master with which it has everything in common.
   * @throws UnfitError while a replica may still get from its master what it lacks
   */
  judge({ position, born, gaps, heads }: ReadOnlyMark, floor: Position, isReplica: boolean): Mark {
    if (position === undefined || born === undefined) {
      // Whoever has something of an earlier life is told that it is gone.
      this.#born ??= floor === BEGINNING ? BEGINNING : justAfter(floor);
      return { gaps: [], heads, position: laterOf(this.#born, floor), born: this.#born };
    }
    this.#born = undefined;
    if (!isAfter(floor, position)) {
      this.#behindSince = undefined;
      this.#fork = undefined;
      return { gaps, heads, position, born };
    }
    this.#behindSince ??= this.#now();
    if (isReplica && this.#now() - this.#behindSince < LAG) {
      throw new UnfitError('this Redis is a replica that is behind its master: expected the master');
    }
    this.#fork ??= { reason: 'forked', from: position, to: justAfter(floor), lost: [], extent: 'known' };
    return { gaps: [...gaps, this.#fork], heads, position: laterOf(this.#fork.to, floor), born };
  }
}
