/**
 * A place in the whole order of messages: what `id:` carries and `Last-Event-ID` brings back.
 *
 * Today it is one number, microseconds of the Redis clock, exact in a double until the year 2255. Everything
 * else treats it as opaque and goes through this file, so that a vector (one component a partition) can replace it.
 */
export type Position = number & { readonly __position: unique symbol };

/** Before every message there ever was. */
export const BEGINNING = 0 as Position;

/** The longest `Last-Event-ID` that is looked at; ids that leave the gateway have 16 digits. */
const MAX_LENGTH = 16;

/** Reads what a client or Redis brought; `undefined` where it is no position (empty, signs, letters, too long). */
export function parsePosition(text: string): Position | undefined {
  if (text.length === 0 || text.length > MAX_LENGTH) return undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return undefined;
  }
  const value = Number(text);
  return Number.isSafeInteger(value) ? (value as Position) : undefined;
}

/** The position as it goes on the wire: decimal digits. */
export function formatPosition(position: Position): string {
  return String(position);
}

export function isAfter(a: Position, b: Position): boolean {
  return a > b;
}

export function laterOf(a: Position, b: Position): Position {
  return a > b ? a : b;
}

/** For sorting: negative where `a` comes first. */
export function comparePositions(a: Position, b: Position): number {
  return a - b;
}

/** The position that a message published `milliseconds` before now by this machine's clock would have had, about. */
export function positionBefore(milliseconds: number, now = Date.now()): Position {
  return Math.max(0, (now - milliseconds) * 1000) as Position;
}

/** What was published so many milliseconds before this. */
export function earlier(position: Position, milliseconds: number): Position {
  return Math.max(0, position - milliseconds * 1000) as Position;
}

/** What is published so many milliseconds after this. */
export function later(position: Position, milliseconds: number): Position {
  return Math.ceil(position + milliseconds * 1000) as Position;
}

/** The position from which the message with this id would be the next. */
export function justBefore(id: Position): Position {
  return Math.max(0, id - 1) as Position;
}

export function justAfter(id: Position): Position {
  return (id + 1) as Position;
}
