import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { Sisyphus, Status } from './client.ts';
// With `.js` the build leaves it a file of its own: pages may import it, too, and bundlers leave it out if nothing needs it.
import { byKey, type CollectionOptions, collection, type Snapshot } from './collection.js';
import type { MessageFrame } from './frames.ts';
import type { LoadRequest } from './loader.ts';

export type Stream = Pick<Sisyphus, 'channel' | 'close' | 'event' | 'load' | 'on' | 'position' | 'status' | 'wake'>;

/**
 * A stream that is opened by the first component that listens, and never on a server. Components that appear together all listen before its
 * first message can come.
 */
export interface StreamRef {
  /** The stream; `undefined` while it is not open. */
  readonly current: Stream | undefined;
  /** Opens the stream if it is not open. */
  open(): Stream;
}

export interface ChannelOptions<State, Data> {
  /** The state before any message. A server renders this state. */
  initial: State;
  /** Gives the state after a message. Components with the same function share one state of a channel, so define it outside of components. */
  reduce: (state: State, message: MessageFrame<Data>) => State;
  /** Loads the state at first, and after each reset. Its messages follow; some of them may be in the state already. */
  load?: (request: LoadRequest) => Promise<State>;
  /** The position that `initial` is as of: `load` is not called at first if the stream is still at it, or before. */
  since?: string;
}

/** What components share. Components share one state if stream, `key` and name are the same. */
interface Kind<State> {
  key: object;
  initial: State;
  /** Keeps the state up to date. @returns a function that ends it */
  begin(stream: Stream, set: (next: (state: State) => State) => void): () => void;
}

const CONNECTING: Status = { state: 'connecting' };
/** From the stream, the key of the kind and the name to the state that components share. */
const shares = new WeakMap<object, WeakMap<object, Map<string, Share<unknown>>>>();

/** One state, kept up to date as long as components listen. */
class Share<State> {
  state: State;
  readonly #listeners = new Set<() => void>();
  readonly #end: () => void;

  constructor(stream: Stream, { initial, begin }: Kind<State>) {
    this.state = initial;
    this.#end = begin(stream, (next) => {
      this.state = next(this.state);
      for (const listener of this.#listeners) listener();
    });
  }

  /** @param forget called when nobody listens any more: a moment later, because in strict mode components leave and come back at once */
  listen(listener: () => void, forget: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      queueMicrotask(() => {
        if (this.#listeners.size > 0) return;
        forget();
        this.#end();
      });
    };
  }
}

const openOf = (stream: Stream | StreamRef): Stream => ('current' in stream ? stream.open() : stream);

function useShare<State>(stream: Stream | StreamRef, name: string, kindOf: () => Kind<State>): State {
  const store = useMemo(() => {
    const kind = kindOf();
    const kinds = shares.get(stream) ?? new WeakMap();
    const names: Map<string, Share<State>> = kinds.get(kind.key) ?? new Map();
    shares.set(stream, kinds.set(kind.key, names));
    const subscribe = (listener: () => void): (() => void) => {
      const share = names.get(name) ?? new Share(openOf(stream), kind);
      names.set(name, share);
      return share.listen(listener, () => names.get(name) === share && names.delete(name));
    };
    const initial = (): State => kind.initial;
    return [subscribe, () => (names.get(name) ?? { state: kind.initial }).state, initial] as const;
  }, [stream, name]);
  return useSyncExternalStore(...store);
}

const newest = (_: unknown, message: unknown): unknown => message;

/** The last message of a channel that has come since the first component listened. `undefined`: none has. */
export function useChannel<Data = unknown>(stream: Stream | StreamRef, channel: string): MessageFrame<Data> | undefined;
/** What the messages of a channel add up to. The options of the first rendering count, until the stream or the channel is another. */
export function useChannel<State, Data = unknown>(
  stream: Stream | StreamRef,
  channel: string,
  options: ChannelOptions<State, Data>,
): State;
export function useChannel(
  stream: Stream | StreamRef,
  channel: string,
  { initial, reduce = newest, load, since }: Partial<ChannelOptions<unknown, never>> = {},
): unknown {
  return useShare(stream, channel, () => ({
    key: reduce,
    initial,
    begin(opened, set) {
      const ends = [opened.channel<never>(channel, (message) => set((state) => reduce(state, message)))];
      if (load) {
        const isLoaded = Number(opened.position) <= Number(since);
        ends.push(opened.load(channel, load, (state) => set(() => state), { isLoaded }));
      }
      return () => {
        for (const end of ends) end();
      };
    },
  }));
}

/** The records of a collection by primary key; another map after each change. */
export function useCollection<Item = Record<string, unknown>>(
  stream: Stream | StreamRef,
  name: string,
  options: CollectionOptions & { initial: Snapshot },
): ReadonlyMap<string, Item>;
/** `undefined`: they are not loaded yet. */
export function useCollection<Item = Record<string, unknown>>(
  stream: Stream | StreamRef,
  name: string,
  options?: CollectionOptions,
): ReadonlyMap<string, Item> | undefined;
export function useCollection<Item>(
  stream: Stream | StreamRef,
  name: string,
  options: CollectionOptions = {},
): ReadonlyMap<string, Item> | undefined {
  return useShare<ReadonlyMap<string, Item> | undefined>(stream, name, () => ({
    key: collection,
    initial: options.initial && byKey<Item>(options.initial[name], options.initial.key),
    begin(opened, set) {
      const live = collection<Item>(opened, name, options);
      live.on('change', () => set(() => new Map(live)));
      return () => live.close();
    },
  }));
}

/** Whether the stream is live, and if not why. */
export function useStatus(stream: Stream | StreamRef): Status {
  const store = useMemo(() => {
    const subscribe = (listener: () => void): (() => void) => openOf(stream).on('status', listener);
    const status = (): Status => ('current' in stream ? stream.current : stream)?.status ?? CONNECTING;
    return [subscribe, status, () => CONNECTING] as const;
  }, [stream]);
  return useSyncExternalStore(...store);
}

/**
 * A stream for this component and those below it. It is closed when the component goes. For another stream, such as another user's, give the
 * component another `key`.
 */
export function useSisyphus(open: () => Stream): StreamRef {
  const [[ref, hold]] = useState(() => {
    let holders = 0;
    const ref = {
      current: undefined as Stream | undefined,
      open: (): Stream => (ref.current ??= open()),
    };
    const hold = () => {
      holders++;
      ref.open();
      return () => {
        holders--;
        queueMicrotask(() => {
          if (holders > 0) return;
          ref.current?.close();
          ref.current = undefined;
        });
      };
    };
    return [ref, hold] as const;
  });
  useEffect(hold, [hold]);
  return ref;
}
