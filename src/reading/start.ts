import { BEGINNING, justAfter, type Position, parsePosition } from '../message/position.ts';

/**
 * The position of a client that brought no position of this store, until it has read the messages that follow. It is older than any store,
 * so that the client gets its resets again if the connection breaks before they arrive.
 */
export const NOWHERE = justAfter(BEGINNING);

/** Answers an id; it is called when the messages after that id are about to be read. */
export type From = () => Promise<Position | undefined>;

/** The position at which a reader wants to begin. */
export type Start =
  | { kind: 'now' }
  /** All messages after the position that the client has. */
  | { kind: 'after'; position: Position }
  /** The client brought a text that is no position. */
  | { kind: 'unreadable' }
  /** The last `count` messages of each channel, without those before the id that `from` answers, if it answers one. */
  | { kind: 'overlap'; count: number; from?: From | undefined }
  /** In each channel all messages after the revision that the client has; 0 if the channel is not among these. */
  | { kind: 'revisions'; seen: ReadonlyMap<string, number> };

/** The most messages of each channel that `?overlap=` may ask for. */
export const MAX_OVERLAP = 1000;

export interface StartRequest {
  /** The header `Last-Event-ID`, which EventSource sends by itself. */
  lastEventIdHeader: string | undefined;
  /** `?lastEventId=`, which polyfills send. */
  lastEventId: string | undefined;
  since: string | undefined;
  overlap: string | undefined;
}

/**
 * The header takes precedence over `?lastEventId=`, that over `?since=`, and that over `?overlap=`: an EventSource comes back with the
 * address that it was opened with, and its header has the position that it has reached since. An empty value counts as none.
 */
export function parseStart({ lastEventIdHeader, lastEventId, since, overlap }: StartRequest): Start {
  const brought = lastEventIdHeader || lastEventId;
  // A client with position 0 has not received any message, so it begins again as its address says.
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
 * The position of a client with this start until it is sent a message: if the client comes back with it, it has the same start again.
 * `now`: the position of the gateway.
 */
export function positionOf(start: Start, now: Position): Position {
  switch (start.kind) {
    case 'after':
      return start.position;
    case 'now':
      return now;
    case 'overlap':
    case 'revisions':
      return BEGINNING;
    case 'unreadable':
      return NOWHERE;
  }
}
