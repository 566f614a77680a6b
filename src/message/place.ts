import { BEGINNING, isAfter, type Position, parsePosition } from './position.ts';

/**
 * Where in Redis's order something was published, whichever way. A script's publish stands at its own id, number 0. A plain
 * PUBLISH has no id until it is recorded: it stands behind the last id that was given out before it, as the first, the
 * second, … of those there. Everybody who hears all plain PUBLISHes and all records on one connection counts the same places.
 */
export interface Place {
  id: Position;
  number: number;
}

export const FIRST_PLACE: Place = { id: BEGINNING, number: 0 };

/** The place of what a script published under this id. */
export function placeOf(id: Position): Place {
  return { id, number: 0 };
}

export function isLater(a: Place, b: Place): boolean {
  return isAfter(a.id, b.id) || (a.id === b.id && a.number > b.number);
}

/** For sorting: negative where `a` comes first. */
export function comparePlaces(a: Place, b: Place): number {
  return a.id - b.id || a.number - b.number;
}

/** `<id>.<number>`, as it travels through Redis. */
export function formatPlace({ id, number }: Place): string {
  return `${id}.${number}`;
}

/** What `formatPlace` made; `undefined` for anything else. */
export function parsePlace(text: string): Place | undefined {
  const [before = '', behind = '', more] = text.split('.');
  const id = parsePosition(before);
  const number = parsePosition(behind);
  return id === undefined || number === undefined || more !== undefined ? undefined : { id, number };
}
