import type { Gap, Mark } from '../../hub/channel-source.ts';
import { BEGINNING, isAfter, justAfter, justBefore, laterOf, type Position } from '../../message/position.ts';
import { UnfitError } from './redis-error.ts';

/** How long a replica may be behind its master (ms); messages that it does not have by then may be lost. */
const LAG = 3000;

/** The mark of the store; `position` and `born` are `undefined` if Redis has no clock of the installation. */
export interface ReadOnlyMark extends Omit<Mark, 'position' | 'born'> {
  position: Position | undefined;
  born: Position | undefined;
}

/**
 * Judges the answers of `sisyphus_mark_ro`. A Redis that takes no writes cannot note that it is empty, or that it has lost messages
 * that were received from it. Until it can, this object keeps that, so that readers are notified, and only once.
 */
export class ReadOnlyMarks {
  readonly #now: () => number;
  #behindSince: number | undefined;
  #fork: Gap | undefined;
  /** The beginning of the life that an empty store may begin. */
  #born: Position | undefined;

  constructor(now: () => number = performance.now.bind(performance)) {
    this.#now = now;
  }

  /**
   * The position above which new ids must be, if readers may have received messages up to `position`. A fork of which readers were
   * notified must later be written with the same ids.
   */
  floor(position: Position): Position {
    return this.#fork?.to === position ? justBefore(position) : position;
  }

  /** Redis takes writes. */
  reset(): void {
    this.#behindSince = undefined;
    this.#fork = undefined;
    this.#born = undefined;
  }

  /**
   * `floor`: readers may have received messages up to here. `isReplica`: Redis is a replica, on its master's branch.
   * @throws UnfitError while a replica may still get from its master what it lacks
   */
  judge({ position, born, gaps, heads }: ReadOnlyMark, floor: Position, isReplica: boolean): Mark {
    if (position === undefined || born === undefined) {
      // Readers with a position of an earlier life are notified that its messages are gone.
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
