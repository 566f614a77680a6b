import { Listeners } from './listeners.ts';
import { followNearest, type Nearest, type NearestOptions } from './nearest.ts';
import { type Failure, type NextRequest, RequestLoop } from './request-loop.ts';
import type { RtDenied, RtEvent, RtListener, RtMessage, RtOptions, RtReset, RtStatus } from './rt-types.ts';

export type { Nearest, NearestOptions } from './nearest.ts';
export type { RtDenied, RtEvent, RtListener, RtMessage, RtOptions, RtReset, RtStatus } from './rt-types.ts';

interface Events {
  message: RtMessage;
  reset: RtReset;
  denied: RtDenied;
  status: RtStatus;
  /** What a listener or `getIds` has thrown. */
  error: unknown;
}

interface Channel {
  /** The revision of the last message that has come. While the client is paused, the listeners have been told less. */
  asked: number;
  isDenied: boolean;
  /** The revision of the last message that each listener was told. */
  told: Map<RtListener, number>;
}

type Answer = Record<string, { status: 'ok' | 'reset' | 'failure'; msg: { id: number; payload?: unknown }[] }>;

/** If more events than this wait while the client is paused, it polls no more, and the gateway keeps what comes. */
const MOST_QUEUED = 1000;
/** Proxies refuse addresses of 8 KB, so a longer query is sent as a form (characters). */
const LONGEST_ADDRESS = 6000;

/**
 * Follows channels by the long poll of `/rt`.
 *
 * Invariant: `asked` of a channel is the revision up to which its messages have been told, or are in the queue. So whatever becomes of a poll,
 * the next one begins where the answers that were taken end.
 */
export class Rt {
  readonly #address: URL;
  readonly #options: RtOptions;
  readonly #loop: RequestLoop;
  readonly #channels = new Map<string, Channel>();
  readonly #listeners = new Listeners();
  /** Each ends one `nearestSubscriptions`. */
  readonly #closers = new Set<() => void>();
  /** The events that have come and that the listeners have not been told. */
  #queue: RtEvent[] = [];
  #pauses = 0;
  #status: RtStatus = { state: 'connecting' };

  /** @param address of the gateway's long poll, such as `/rt` */
  constructor(address: string | URL, options: RtOptions = {}) {
    this.#address = new URL(address, globalThis.document?.baseURI);
    this.#options = options;
    this.#loop = new RequestLoop({
      fetch: options.fetch,
      withCredentials: options.withCredentials,
      next: () => this.#next(),
      take: (text) => this.#take(JSON.parse(text)),
      failed: (failure) => this.#failed(failure),
      waits: () => this.#say({ state: 'ok' }),
    });
  }

  get status(): RtStatus {
    return this.#status;
  }

  /** @returns a function that takes the listener away */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    return this.#listeners.add(name, listener);
  }

  /** The revision of the last message of the channel that the page has been told; `undefined` if the channel is not followed. */
  revision(channel: string): number | undefined {
    return this.#channels.get(channel)?.told.get(this.#tellAll);
  }

  /**
   * Follows a channel.
   *
   * @param since the revision of the last message that the page has. Without it, all messages that are kept come; if the channel is followed already,
   * those that its other listeners have not been told
   * @returns a function that takes the listener away
   */
  subscribe<Data = unknown>(
    channel: string,
    listener: RtListener<Data> = () => undefined,
    { since }: { since?: number | undefined } = {},
  ): () => void {
    const followed = this.#channels.get(channel);
    const before = this.revision(channel) ?? 0;
    const told: Channel['told'] = followed?.told ?? new Map([[this.#tellAll, since ?? 0]]);
    told.set(listener as RtListener, since ?? before);
    if (!followed || followed.isDenied || told.get(listener as RtListener)! < before) {
      // The next poll brings the events in the queue again, after the older ones that this listener wants.
      this.#queue = this.#queue.filter((event) => event.channel !== channel);
      this.#channels.set(channel, { asked: Math.min(...told.values()), isDenied: false, told });
      this.#loop.restart();
    }
    return () => this.unsubscribe(channel, listener);
  }

  /** Takes one listener away, or all. A poll that is waiting goes on: what it brings of this channel is ignored. */
  unsubscribe<Data = unknown>(channel: string, listener?: RtListener<Data>): void {
    const told = this.#channels.get(channel)?.told;
    if (!told) return;
    told.delete(listener as RtListener);
    if (listener && told.size > 1) return;
    // This may be called by a listener, while others wait for the same event.
    told.clear();
    this.#channels.delete(channel);
    if (this.#channels.size === 0) this.#loop.restart();
  }

  /** The listeners are told nothing until `resume` was called as often as `pause`. Then they are told what has come meanwhile. */
  pause(): void {
    this.#pauses++;
  }

  resume(): void {
    this.#pauses = Math.max(0, this.#pauses - 1);
    this.#replay();
    this.#loop.start();
  }

  /** Polls anew at once, with a fresh credential, and also for channels that were denied. */
  refresh(): void {
    for (const channel of this.#channels.values()) channel.isDenied = false;
    this.#loop.restart();
  }

  /**
   * Follows the channels that are nearest to what the user looks at, for pages that scroll without end: now, and whenever nobody has scrolled for
   * `idle` ms. A channel that comes near again goes on where it was left.
   *
   * @param getIds the names of the channels on the page, the nearest first
   */
  nearestSubscriptions(getIds: () => Iterable<string | number>, options: NearestOptions = {}): Nearest {
    const { update, close } = followNearest(this, getIds, options, this.#listeners.fail);
    this.#closers.add(close);
    return {
      update,
      close: () => {
        this.#closers.delete(close);
        close();
      },
    };
  }

  /** Ends the client for good. */
  close(): void {
    for (const close of this.#closers) close();
    this.#loop.stop();
    this.#channels.clear();
    this.#say({ state: 'closed' });
  }

  readonly #tellAll = (event: RtEvent): void => this.#listeners.tell(event.type, event);

  #say(status: RtStatus): void {
    const { state, reason } = this.#status;
    if (state === 'closed' || (state === status.state && reason === status.reason)) return;
    this.#status = status;
    this.#listeners.tell('status', status);
  }

  #failed({ reason, message, isFinal }: Failure): void {
    this.#say({ state: isFinal ? 'failure' : 'error', reason, ...(message && { message }) });
  }

  async #next(): Promise<NextRequest | undefined> {
    if (this.#pauses > 0 && this.#queue.length > MOST_QUEUED) return undefined;
    const token = await this.#options.credential?.();
    const pairs = new URLSearchParams();
    for (const [name, { asked, isDenied }] of this.#channels) {
      if (isDenied) continue;
      pairs.append('c', name);
      pairs.append('m', String(asked));
    }
    if (!pairs.has('c')) return undefined;
    const { user } = this.#options;
    if (user !== undefined) pairs.append('user', String(user));
    if (token !== undefined) pairs.append('access_token', token);
    const address = new URL(this.#address);
    const query = new URLSearchParams([...address.searchParams, ...pairs]);
    if (String(query).length > LONGEST_ADDRESS) return { address, body: pairs };
    address.search = String(query);
    return { address };
  }

  #take(answer: Answer): boolean {
    this.#say({ state: 'ok' });
    for (const [name, { status, msg }] of Object.entries(answer)) {
      const channel = this.#channels.get(name);
      if (!channel) continue;
      const last = msg.at(-1);
      channel.asked = last?.id ?? channel.asked;
      channel.isDenied = status === 'failure';
      if (channel.isDenied) this.#queue.push({ type: 'denied', channel: name });
      else if (status === 'reset') this.#queue.push(resetOf(name, last));
      else
        for (const { id, payload } of msg)
          this.#queue.push({ type: 'message', channel: name, revision: id, data: payload });
    }
    this.#replay();
    return Object.keys(answer).length > 0;
  }

  /** Tells the listeners the events in the queue. A listener may pause the client, and take other listeners away. */
  #replay(): void {
    while (this.#pauses === 0 && this.#queue.length > 0) {
      const event = this.#queue.shift()!;
      const told = this.#channels.get(event.channel)?.told;
      for (const [listener, revision] of told ?? []) {
        if (event.type === 'message' && event.revision <= revision) continue;
        if (event.type !== 'denied') told!.set(listener, event.revision);
        try {
          listener(event);
        } catch (error) {
          this.#listeners.fail(error);
        }
      }
    }
  }
}

function resetOf(channel: string, last: { id: number; payload?: unknown } | undefined): RtReset {
  const { id: revision = 0, ...rest } = last ?? {};
  return { type: 'reset', channel, revision, ...('payload' in rest && { data: rest.payload }) };
}
