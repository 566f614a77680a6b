import { type Frame, type MessageFrame, parseFrame, type StatusFrame } from './frames.ts';
import { type EventSourceLike, eventSourceLines, type Line, type OpenLine, type Through } from './line.ts';
import { Loader, type LoadOptions, type LoadRequest } from './loader.ts';

export type { DeniedFrame, Frame, MessageFrame, NoopFrame, ResetFrame, ResetReason, StatusFrame } from './frames.ts';
export type { EventSourceLike, Line, OpenLine, Receiver, Through } from './line.ts';
export type { LoadOptions, LoadRequest } from './loader.ts';

/**
 * `connecting`: not yet, or not again; `ok`: live; `error`: the gateway or the network says that it cannot now, and the client tries again;
 * `failure`: the gateway says who this user is not, and the client has stopped; `closed`: the page has closed the stream.
 */
export interface Status {
  readonly state: 'connecting' | 'ok' | 'error' | 'failure' | 'closed';
  /** The gateway's word (docs/reference/refusals.md), or `offline`, `silent`, `lost` or `credential` of the client. */
  readonly reason?: string;
  /** The variable with the limit that is reached. */
  readonly limit?: string;
}

export interface SisyphusOptions {
  /** Whose stream, with `SISYPHUS_AUTH=open`. */
  user?: string | number;
  /** Only these channels, instead of all that the user may read. */
  channels?: readonly string[];
  /** The position that the page's state is as of. */
  since?: string;
  /** Gives the credential; it is asked at each opening. `undefined`: none is needed now. */
  credential?: () => string | undefined | Promise<string | undefined>;
  /** Whether cookies go to another origin. */
  withCredentials?: boolean;
  /** Loads after a reset begin at a random time up to this one (ms). 4000. */
  spread?: number;
  /** Where there is none, as in Node: that of undici or of the package `eventsource`. */
  EventSource?: new (
    address: string,
    init?: { withCredentials?: boolean },
  ) => EventSourceLike;
  /** The outermost first. */
  through?: readonly Through[];
}

interface Events {
  message: MessageFrame;
  reset: Extract<Frame, { type: 'reset' }>;
  denied: Extract<Frame, { type: 'denied' }>;
  status: Status;
  /** Each frame, as it comes. */
  frame: Frame;
  /** What a listener, `load` or `credential` has thrown. */
  error: unknown;
}

type Listener<Value> = (value: Value) => void;

/** How long the first frame may take (ms): the gateway answers within 2 s. */
const PATIENCE = 10_000;
/** After so many intervals without a noop the line is dead; at least so long (ms). */
const SILENT_INTERVALS = 2.5;
const LEAST_SILENCE = 3_000;
/** If more messages of a channel wait for its state, it is loaded again instead. */
const MOST_HELD = 10_000;
/** How often the silence is looked at (ms). */
const LOOK = 1_000;

/** One stream of a gateway, which is opened again whenever it is lost, at the position that was reached. */
export class Sisyphus {
  readonly #address: string | URL;
  readonly #options: SisyphusOptions;
  readonly #open: OpenLine;
  readonly #listeners = new Map<string, Set<Listener<never>>>();
  readonly #loaders = new Set<Loader<never>>();
  /** Messages that wait until the state of their channel is loaded. */
  readonly #held = new Map<string, MessageFrame[]>();
  readonly #watch: ReturnType<typeof setInterval>;
  #status: Status = { state: 'connecting' };
  #position: string | undefined;
  #line: Line | undefined;
  /** Counts the openings: what belongs to an earlier one is ignored. */
  #opening = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #lastFrame = 0;
  #silence = PATIENCE;
  /** The gateway's time to come back (ms). */
  #retry: number | undefined;

  /** `address`: of the gateway's stream, such as `/stream`. */
  constructor(address: string | URL, options: SisyphusOptions = {}) {
    this.#address = address;
    this.#options = options;
    const Source = options.EventSource ?? globalThis.EventSource;
    if (!Source)
      throw new TypeError('there is no EventSource here: expected the option EventSource, such as that of undici');
    const lines = eventSourceLines(Source, options.withCredentials ?? false);
    this.#open = (options.through ?? []).reduceRight((open, through) => through(open), lines);
    this.#watch = setInterval(() => this.#look(), LOOK);
    this.#hearThePage(true);
    void this.#connect();
  }

  get status(): Status {
    return this.#status;
  }

  /** The id up to which the stream was read; a page that is rendered with it begins there. */
  get position(): string | undefined {
    return this.#position ?? this.#options.since;
  }

  /** @returns a function that takes the listener away */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    return this.#add(name, listener);
  }

  /** Messages of one channel. @returns a function that takes the listener away */
  channel<Data = unknown>(channel: string, listener: Listener<MessageFrame<Data>>): () => void {
    return this.#add(`channel ${channel}`, listener);
  }

  /** Messages that were published with this name. @returns a function that takes the listener away */
  event<Data = unknown>(event: string, listener: Listener<MessageFrame<Data>>): () => void {
    return this.#add(`event ${event}`, listener);
  }

  /**
   * Loads the state of channels and joins it to the stream: first the state, then every later message of these channels. It is loaded again
   * when channels are reset, once for those of one moment. A message may be in the state already.
   *
   * @returns a function that ends it
   */
  load<State>(
    channels: string | readonly string[],
    read: (request: LoadRequest) => Promise<State>,
    apply: (state: State, channels: string[]) => void,
    options?: LoadOptions,
  ): () => void {
    const loader = new Loader<State>({
      ...options,
      channels: [channels].flat() as string[],
      read,
      apply,
      loaded: (loaded) => this.#release(loaded),
      failed: (error) => this.#failed(error),
      spread: this.#options.spread ?? 4000,
    });
    this.#loaders.add(loader as Loader<never>);
    if (this.#status.state === 'ok') loader.begin();
    return () => {
      this.#loaders.delete(loader as Loader<never>);
      loader.close();
    };
  }

  /** Ends the stream for good. */
  close(): void {
    if (this.#status.state !== 'closed') this.#stop({ state: 'closed' });
  }

  #add(name: string, listener: Listener<never>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  #tell(name: string, value: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as Listener<unknown>)(value);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #failed(error: unknown): void {
    if (this.#listeners.get('error')?.size) this.#tell('error', error);
    else
      queueMicrotask(() => {
        throw error;
      });
  }

  #say(status: Status): void {
    const { state, reason, limit } = this.#status;
    if (state === status.state && reason === status.reason && limit === status.limit) return;
    this.#status = status;
    this.#tell('status', status);
  }

  get #isOver(): boolean {
    return this.#status.state === 'closed' || this.#status.state === 'failure';
  }

  async #connect(): Promise<void> {
    this.#drop();
    const opening = this.#opening;
    this.#lastFrame = Date.now();
    this.#silence = PATIENCE;
    try {
      const token = await this.#options.credential?.();
      if (opening !== this.#opening) return;
      this.#line = this.#open(this.#addressWith(token), {
        frame: (data, id) => opening === this.#opening && this.#take(data, id),
        ended: () => opening === this.#opening && this.#again('lost'),
      });
    } catch (error) {
      if (opening !== this.#opening) return;
      this.#failed(error);
      this.#again('credential');
    }
  }

  #addressWith(token: string | undefined): URL {
    const { user, channels = [], since } = this.#options;
    const address = new URL(this.#address, globalThis.document?.baseURI);
    const { searchParams: query } = address;
    query.set('format', 'frames');
    if (user !== undefined) query.set('user', String(user));
    if (token !== undefined) query.set('access_token', token);
    for (const channel of channels) query.append('c', channel);
    if (this.#position !== undefined) query.set('lastEventId', this.#position);
    else if (since !== undefined) query.set('since', since);
    return address;
  }

  #drop(): void {
    this.#opening++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#line?.close();
    this.#line = undefined;
  }

  /** Opens the stream again: when the gateway says, or soon, and later the more often it has failed; different pages at different times. */
  #again(reason: string): void {
    this.#drop();
    if (this.#isOver) return;
    const failures = this.#failures++;
    const longest = failures === 0 ? 2000 : failures < 15 ? 4000 : 15_000;
    const pause = this.#retry ?? longest * (0.5 + Math.random() / 2);
    if (this.#status.state !== 'error') this.#say({ state: 'error', reason });
    this.#retry = undefined;
    this.#timer = setTimeout(() => void this.#connect(), pause);
  }

  #stop(status: Status): void {
    this.#drop();
    clearInterval(this.#watch);
    this.#hearThePage(false);
    if (status.state === 'closed') this.#held.clear();
    for (const loader of this.#loaders) loader.close();
    this.#loaders.clear();
    this.#say(status);
  }

  #take(data: string, id: string): void {
    this.#lastFrame = Date.now();
    const frame = parseFrame(data);
    if (!frame) return;
    if ('retry' in frame && (frame.type === 'noop' || frame.status === 'error')) this.#retry = frame.retry;
    if (id !== '' && id !== '0') this.#position = id;
    this.#tell('frame', frame);
    if (frame.type === 'status') this.#takeStatus(frame);
    else if (frame.type === 'message') this.#takeMessage(frame);
    else if (frame.type !== 'noop') {
      if (frame.type === 'reset') this.#reset(frame.channel);
      this.#tell(frame.type, frame);
    }
  }

  #takeMessage(message: MessageFrame): void {
    const { channel } = message;
    if (!this.#isWaiting(channel)) {
      this.#give(message);
      return;
    }
    const held = this.#held.get(channel) ?? [];
    this.#held.set(channel, held);
    if (held.push(message) > MOST_HELD) this.#reset(channel);
  }

  #isWaiting(channel: string): boolean {
    return [...this.#loaders].some((loader) => loader.isWaiting(channel));
  }

  /** What is held is older than the state that is loaded after the reset. */
  #reset(channel: string): void {
    for (const loader of this.#loaders) loader.reset(channel);
    this.#held.delete(channel);
  }

  #release(channels: string[]): void {
    const free = channels.filter((channel) => !this.#isWaiting(channel));
    const messages = free.flatMap((channel) => this.#held.get(channel) ?? []);
    for (const channel of free) this.#held.delete(channel);
    for (const message of messages.sort((one, other) => Number(one.id) - Number(other.id))) this.#give(message);
  }

  #takeStatus({ status, reason, limit, noopInterval, retry }: StatusFrame): void {
    const why = { ...(reason === undefined ? {} : { reason }), ...(limit === undefined ? {} : { limit }) };
    if (status === 'ok') {
      this.#failures = 0;
      this.#silence = Math.max(LEAST_SILENCE, SILENT_INTERVALS * (noopInterval ?? PATIENCE));
      this.#say({ state: 'ok' });
      for (const loader of this.#loaders) loader.begin();
    } else if (status === 'failure' && !(reason === 'expired' && this.#status.state === 'ok')) {
      this.#stop({ state: 'failure', ...why });
    } else {
      this.#retry = retry;
      this.#say({ state: 'error', ...why });
    }
  }

  #give(message: MessageFrame): void {
    this.#tell('message', message);
    this.#tell(`channel ${message.channel}`, message);
    if (message.event !== undefined) this.#tell(`event ${message.event}`, message);
  }

  /** A page that was frozen, or a machine that slept, comes here late: so the line is dead as soon as it is looked at. */
  #look(): void {
    if (this.#line && Date.now() - this.#lastFrame > this.#silence) this.#again('silent');
  }

  readonly #woken = (event: Event): void => {
    if (this.#isOver) return;
    if (event.type === 'pagehide') this.#drop();
    else if (event.type === 'offline') this.#say({ state: 'error', reason: 'offline' });
    else if (event.type === 'online' || !this.#line) void this.#connect();
    else this.#look();
  };

  #hearThePage(hears: boolean): void {
    const way = hears ? 'addEventListener' : 'removeEventListener';
    for (const name of ['online', 'offline', 'pageshow', 'pagehide']) globalThis[way]?.(name, this.#woken);
    for (const name of ['visibilitychange', 'resume']) globalThis.document?.[way](name, this.#woken);
  }
}
