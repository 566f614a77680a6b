import { BEGINNING, isAfter, type Position, parsePosition } from './position.ts';

/**
 * Where in Redis's order a message was published. A message that a script publishes has its own id as place, with number 0. A
 * plain PUBLISH has no id until it is recorded: its place is the last id that was assigned before it, and its number among the
 * plain PUBLISHes after that id, from 1. Every connection that receives all plain PUBLISHes and all records counts the same places.
 */
export interface Place {
  id: Position;
  number: number;
}

export const FIRST_PLACE: Place = { id: BEGINNING, number: 0 };

/** The place of a message that a script published with this id. */
export function placeOf(id: Position): Place {
  return { id, number: 0 };
}

export function isLater(a: Place, b: Place): boolean {
  return isAfter(a.id, b.id) || (a.id === b.id && a.number > b.number);
}

/** For sorting: negative if `a` comes first. */
export function comparePlaces(a: Place, b: Place): number {
  return a.id - b.id || a.number - b.number;
}

/** `<id>.<number>`, as it travels through Redis. */
export function formatPlace({ id, number }: Place): string {
  return `${id}.${number}`;
}

/** Parses what `formatPlace` writes; `undefined` for anything else. */
export function parsePlace(text: string): Place | undefined {
  const [before = '', behind = '', more] = text.split('.');
  const id = parsePosition(before);
  const number = parsePosition(behind);
  return id === undefined || number === undefined || more !== undefined ? undefined : { id, number };
}
