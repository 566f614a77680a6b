import type { Gap, Mark } from '../../hub/channel-source.ts';
import { BEGINNING, isAfter, justAfter, type Position, parsePosition } from '../../message/position.ts';
import { UnfitError } from './redis-error.ts';

/** A replica may be so far behind its master (ms); what has not come by then may be lost. */
const LAG = 3000;

/**
 * Reads what `sisyphus_mark_ro` answers. A Redis that takes no writes cannot note that it has lost what was heard from it, or
 * that it is empty: until it can, that is kept here, so that readers are told, and once.
 */
export class ReadOnlyMarks {
  readonly #now: () => number;
  #behindSince: number | undefined;

  constructor(now: () => number = performance.now.bind(performance)) {
    this.#now = now;
  }

  /** It takes writes. */
  reset(): void {
    this.#behindSince = undefined;
  }

  /** `floor`: the last id that was heard. @throws UnfitError while a replica may still get what was heard from its master */
  read(answer: unknown, floor: Position): Mark {
    const [last, born, role, isSameBranch, gaps, heads] = answer as [
      string,
      string,
      string,
      number,
      string[],
      (string | null)[],
    ];
    const mark = { gaps: gaps.map(parseGap), heads: heads.map(parseHead) };
    const [position, birth] = [parsePosition(last), parsePosition(born)];
    if (position === undefined || birth === undefined) {
      // There is no store yet. Whoever has something of an earlier one is told that it is gone.
      const born = floor === BEGINNING ? BEGINNING : justAfter(floor);
      return { ...mark, gaps: [], position: born, born };
    }
    if (!isAfter(floor, position)) {
      this.#behindSince = undefined;
      return { ...mark, position, born: birth };
    }
    this.#behindSince ??= this.#now();
    if (role === 'slave' && isSameBranch === 1 && this.#now() - this.#behindSince < LAG) {
      throw new UnfitError('this Redis is a replica that is behind its master: expected the master');
    }
    // As sisyphus_mark writes it when it can, so that the two are one.
    const to = justAfter(floor);
    return {
      ...mark,
      gaps: [...mark.gaps, { reason: 'forked', from: position, to, lost: [] }],
      position: to,
      born: birth,
    };
  }
}

export function parseGap(text: string): Gap {
  const [reason, from = '', to = '', ...lost] = text.split(' ');
  return {
    lost,
    reason: reason === 'forked' ? 'forked' : 'unrecorded',
    from: parsePosition(from) ?? BEGINNING,
    to: parsePosition(to) ?? BEGINNING,
  };
}

export function parseHead(head: string | null): Position {
  return parsePosition(head ?? '') ?? BEGINNING;
}
