import { BEGINNING, justAfter, type Position, parsePosition } from '../message/position.ts';

/**
 * The position of a client whose own is none of ours, until it has read what follows: older than any store, so that it is
 * told again if the connection breaks before it was.
 */
export const NOWHERE = justAfter(BEGINNING);

/** Where a reader wants to begin. */
export type Start =
  | { kind: 'now' }
  /** Everything after what it has. */
  | { kind: 'after'; position: Position }
  /** It brought a position that is none. */
  | { kind: 'unreadable' }
  /** The last so many of each channel. */
  | { kind: 'overlap'; count: number };

/** The last messages of each channel that `?overlap=` may ask for. */
export const MAX_OVERLAP = 1000;

export interface StartRequest {
  /** The header, which EventSource sends by itself. */
  lastEventIdHeader: string | undefined;
  /** `?lastEventId=`, of polyfills. */
  lastEventId: string | undefined;
  since: string | undefined;
  overlap: string | undefined;
}

/**
 * The header wins over `?lastEventId=`, that over `?since=`, that over `?overlap=`: an EventSource comes back with the
 * address it was opened with, and the header tells how far it has got since. An empty one counts as none.
 */
export function parseStart({ lastEventIdHeader, lastEventId, since, overlap }: StartRequest): Start {
  const brought = lastEventIdHeader || lastEventId;
  // A client that has not had anything begins as its address says, once more.
  const text = brought === '0' ? since : brought || since;
  if (text) {
    const position = parsePosition(text);
    return position === undefined ? { kind: 'unreadable' } : { kind: 'after', position };
  }
  if (overlap && /^\d{1,9}$/.test(overlap) && Number(overlap) > 0) {
    return { kind: 'overlap', count: Math.min(Number(overlap), MAX_OVERLAP) };
  }
  return { kind: 'now' };
}

/**
 * What a client that began so has until it is given something: with this it comes back to the same beginning. `now`: the
 * position of the gateway.
 */
export function positionOf(start: Start, now: Position): Position {
  switch (start.kind) {
    case 'after':
      return start.position;
    case 'now':
      return now;
    case 'overlap':
      return BEGINNING;
    case 'unreadable':
      return NOWHERE;
  }
}
