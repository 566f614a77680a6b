import type { Gap } from '../../hub/channel-source.ts';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';
import { parseGap } from './parse-gap.ts';

/** The answer of `sisyphus_mark`, as lua/functions/mark.lua and mark-ro.lua describe it. */
export type MarkAnswer = [
  last: string,
  born: string,
  gaps: string[],
  heads: (string | null)[],
  now: string,
  database?: string,
  prefix?: string,
  settings?: string,
  // Only from `sisyphus_mark_ro`, the form that writes nothing.
  role?: string,
  isSameBranch?: number,
  // Not from a library before version 11.
  disconnected?: string,
];

/** `position` and `born` are `undefined` if Redis has no clock of the installation. */
export interface MarkParts {
  position: Position | undefined;
  born: Position | undefined;
  gaps: Gap[];
  heads: Position[];
  now: Position;
  database: string;
  prefix: string;
  /** The version of the settings in effect. */
  settings: number;
  /** Whether this Redis is a replica, and the clock is of its branch of replication. */
  isReplica: boolean;
  /** The id of the last disconnect, if there was one. */
  disconnected: Position | undefined;
}

export function markOf([
  last,
  born,
  gaps,
  heads,
  now,
  database = '',
  prefix = '',
  settings = '0',
  role = '',
  branch = 1,
  disconnected = '',
]: MarkAnswer): MarkParts {
  const position = parsePosition(last);
  return {
    position,
    born: parsePosition(born),
    gaps: gaps.map(parseGap),
    // A head that is ahead of all ids is ignored: another client has set it.
    heads: heads.map((head) => notAfter(parsePosition(head ?? ''), position ?? BEGINNING)),
    now: parsePosition(now) ?? BEGINNING,
    database,
    prefix,
    settings: Number(settings),
    isReplica: role === 'slave' && branch === 1,
    disconnected: parsePosition(disconnected),
  };
}

function notAfter(head: Position | undefined, position: Position): Position {
  return head === undefined || isAfter(head, position) ? BEGINNING : head;
}
