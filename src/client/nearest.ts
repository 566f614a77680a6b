import type { RtListener } from './rt-types.ts';

export interface NearestOptions {
  /** How long the user must not have scrolled before the channels are looked at again (ms); 1000 by default. */
  idle?: number;
  /** How many channels are followed at most; 40 by default. */
  max?: number;
  /** Told the events of these channels, as the listeners of `on` are. */
  listener?: RtListener;
  /** Gives the revision of the last message of a channel that the page was rendered with. Without it, all messages that are kept come first. */
  since?: (channel: string) => number | undefined;
}

/** What `nearestSubscriptions` answers. */
export interface Nearest {
  /** Looks for the nearest channels now; to be called after content was added to the page. */
  update(): void;
  /** Ends following them. */
  close(): void;
}

/** The part of `Rt` that this needs. */
interface Subscriptions {
  subscribe(channel: string, listener: RtListener, options: { since?: number | undefined }): () => void;
  revision(channel: string): number | undefined;
}

/** Follows the first `max` channels of `getIds`, and looks at them again when the user has stopped scrolling, whatever part of the page scrolls. */
export function followNearest(
  rt: Subscriptions,
  getIds: () => Iterable<string | number>,
  { idle = 1000, max = 40, listener = () => undefined, since }: NearestOptions,
  thrown: (error: unknown) => void,
): Nearest {
  const followed = new Map<string, () => void>();
  /** By channel the revision of the last message that the listener was told, or after which it has begun. */
  const told = new Map<string, number | undefined>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tell: RtListener = (event) => {
    if (event.type !== 'denied') told.set(event.channel, event.revision);
    listener(event);
  };
  const follow = (nearest: string[]): void => {
    for (const [channel, leave] of followed) {
      if (nearest.includes(channel)) continue;
      leave();
      followed.delete(channel);
    }
    for (const channel of nearest) {
      if (followed.has(channel)) continue;
      const begin = told.get(channel) ?? since?.(channel) ?? rt.revision(channel);
      told.set(channel, begin);
      followed.set(channel, rt.subscribe(channel, tell, { since: begin }));
    }
  };
  const update = (): void => {
    clearTimeout(timer);
    try {
      follow([...new Set([...getIds()].map(String))].slice(0, max));
    } catch (error) {
      thrown(error);
    }
  };
  const scrolled = (): void => {
    clearTimeout(timer);
    timer = setTimeout(update, idle);
  };
  // The `scroll` event of an element does not bubble, so it is caught on its way down.
  const way = { capture: true, passive: true };
  globalThis.addEventListener?.('scroll', scrolled, way);
  update();
  return {
    update,
    close: () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('scroll', scrolled, way);
      follow([]);
    },
  };
}
