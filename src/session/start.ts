import { type Position, parsePosition } from '../message/position.ts';

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
  // What a client was given that has never got as far as an `ok`, while Redis was away from the start.
  if (brought === '0') return { kind: 'now' };
  const text = brought || since;
  if (text) {
    const position = parsePosition(text);
    return position === undefined ? { kind: 'unreadable' } : { kind: 'after', position };
  }
  if (overlap && /^\d{1,9}$/.test(overlap) && Number(overlap) > 0) {
    return { kind: 'overlap', count: Math.min(Number(overlap), MAX_OVERLAP) };
  }
  return { kind: 'now' };
}
