/**
 * A position in the order of all messages: sent to clients as `id:`, and received from them as `Last-Event-ID`.
 *
 * Today it is one number, microseconds of the Redis clock, exact in a double until the year 2255. Other code should treat it as
 * opaque and use the functions of this file, so that a vector (one component a partition) can replace it.
 */
export type Position = number & { readonly __position: unique symbol };

/** The position before every message. */
export const BEGINNING = 0 as Position;

/** A position after every message. */
export const END = Number.MAX_SAFE_INTEGER as Position;

/** The longest `Last-Event-ID` that is parsed (characters); ids that the gateway sends have 16 digits. */
const MAX_LENGTH = 16;

/** Parses a text from a client or from Redis; `undefined` if it is no position (empty, signs, letters, too long). */
export function parsePosition(text: string): Position | undefined {
  if (text.length === 0 || text.length > MAX_LENGTH) return undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return undefined;
  }
  const value = Number(text);
  return Number.isSafeInteger(value) ? (value as Position) : undefined;
}

/** The position as it is sent to clients and to Redis: decimal digits. */
export function formatPosition(position: Position): string {
  return String(position);
}

export function isAfter(a: Position, b: Position): boolean {
  return a > b;
}

export function laterOf(a: Position, b: Position): Position {
  return a > b ? a : b;
}

/** For sorting: negative if `a` comes first. */
export function comparePositions(a: Position, b: Position): number {
  return a - b;
}

/** The approximate position of a message published `milliseconds` before `now` (ms), by default by this machine's clock. */
export function positionBefore(milliseconds: number, now = Date.now()): Position {
  return Math.max(0, (now - milliseconds) * 1000) as Position;
}

/** The position of a message published so many milliseconds before this position. */
export function earlier(position: Position, milliseconds: number): Position {
  return Math.max(0, position - milliseconds * 1000) as Position;
}

/** The position of a message published so many milliseconds after this position. */
export function later(position: Position, milliseconds: number): Position {
  return Math.ceil(position + milliseconds * 1000) as Position;
}

/** The last position before the message with this id. */
export function justBefore(id: Position): Position {
  return Math.max(0, id - 1) as Position;
}

export function justAfter(id: Position): Position {
  return (id + 1) as Position;
}
