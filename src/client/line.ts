/**
 * What a line calls, but never before `OpenLine` has returned it. After `ended`, and after its `close`, a line calls nothing any more.
 */
export interface Receiver {
  /** `data` and `id` of one event; `id` is the position after it, and an empty one leaves the position where it is. */
  frame(data: string, id: string): void;
  /** The line has ended, or could not be opened. */
  ended(): void;
}

/** One connection of a stream, or one series of polls: the stream lasts, and its lines come and go. */
export interface Line {
  close(): void;
}

/** Opens a line to the address, which has `format=frames` and, in `lastEventId` or `since`, the position where it begins. */
export interface OpenLine {
  (address: URL, receiver: Receiver): Line;
  /** Set if `client/tabs` opens the lines, which other tabs with this key share: a way to the gateway has to be inside of it. */
  key?: string;
}

/** Changes how lines are opened: `client/tabs` shares one between tabs, `client/poll` goes round a path that buffers. */
export type Through = (open: OpenLine) => OpenLine;

/** The part of an `EventSource` that a line needs. Each kind has types of its own for its listeners, hence `unknown`. */
export interface EventSourceLike {
  addEventListener(type: string, listener: unknown): void;
  close(): void;
}

/** The browser's `EventSource`, undici's, and those of the packages `eventsource` and `react-native-sse` are such classes. */
export type EventSourceClass = new (address: string, init?: { withCredentials?: boolean }) => EventSourceLike;

/** After so long without an answer a second request is tried beside the first one (ms). The gateway answers within 2 s. */
const HEDGE = 3000;

/**
 * Lines by `EventSource`. Each is closed at its first error and not left to try again by itself, because it would come back with the credential
 * that it has, and after a status other than 200 it would not come back at all. https://html.spec.whatwg.org/multipage/server-sent-events.html
 *
 * A request without an answer may be slow, or it was sent on a connection that is dead and will never be answered. Nobody can tell, so
 * every 3 s another one is sent beside it, and the one that is answered first is the line.
 */
export function eventSourceLines(Source: EventSourceClass, withCredentials: boolean): OpenLine {
  return (address, receiver) => {
    /** The first request, and the latest one beside it. */
    const sources = new Set<EventSourceLike>();
    let timer: ReturnType<typeof setInterval> | undefined;

    const close = (): void => {
      clearInterval(timer);
      for (const source of sources) source.close();
      sources.clear();
    };

    const another = (): void => {
      const [, second] = sources;
      if (second) sources.delete(second);
      second?.close();
      const source = new Source(String(address), { withCredentials });
      sources.add(source);
      source.addEventListener('message', ({ data, lastEventId }: MessageEvent<string>) => {
        if (!sources.delete(source)) return;
        close();
        sources.add(source);
        receiver.frame(data, lastEventId);
      });
      const ended = (): void => {
        source.close();
        if (!sources.delete(source) || sources.size > 0) return;
        clearInterval(timer);
        receiver.ended();
      };
      source.addEventListener('error', ended);
      // react-native-sse says this if the gateway has ended the stream; older versions of it say nothing, and ask again after 5 s.
      source.addEventListener('done', ended);
    };

    another();
    // A poll is answered when there is something to say.
    if (!address.searchParams.has('poll')) timer = setInterval(another, HEDGE);
    return { close };
  };
}
