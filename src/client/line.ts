/** What a line calls. After `ended` it calls nothing any more, and neither does it after its `close`. */
export interface Receiver {
  /** `data` and `id` of one event; `id` is the position behind it. */
  frame(data: string, id: string): void;
  /** The line has ended, or could not be opened. */
  ended(): void;
}

/** An open way from the gateway to this page. */
export interface Line {
  close(): void;
}

/** Opens a line to the address, which has `format=frames` and, in `lastEventId` or `since`, the position where it begins. */
export type OpenLine = (address: URL, receiver: Receiver) => Line;

/** Changes how lines are opened: `client/tabs` shares one between tabs, `client/poll` goes round a path that buffers. */
export type Through = (open: OpenLine) => OpenLine;

/** The part of an `EventSource` that a line needs; the browser's, undici's and that of the package `eventsource` have it. */
export interface EventSourceLike {
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  close(): void;
}

/**
 * Lines by `EventSource`. It is closed at its first error instead of being left to try again, because it would come back with the credential
 * that it has, and after a status other than 200 it would not come back at all. https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function eventSourceLines(
  Source: new (address: string, init?: { withCredentials?: boolean }) => EventSourceLike,
  withCredentials: boolean,
): OpenLine {
  return (address, receiver) => {
    const source = new Source(String(address), { withCredentials });
    source.onmessage = ({ data, lastEventId }) => receiver.frame(data, lastEventId);
    source.onerror = () => {
      source.close();
      receiver.ended();
    };
    return source;
  };
}
