import { absolute } from './absolute.ts';
import { setParameters } from './address.ts';
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

/** One `subscribe`. The same listener may have several. */
interface Subscription {
  readonly listener: RtListener;
  /** The revision of the last message that the listener was told, or that it has by itself. */
  told: number;
}

interface Channel {
  /** The revision of the last message that has come. While the client is paused, the listeners have been told less. */
  asked: number;
  isDenied: boolean;
  /** That of all listeners of `on`, which are told first. It is among the `subscriptions`. */
  readonly page: Subscription;
  readonly subscriptions: Set<Subscription>;
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
 *
 * The file is long because what is asked, told and queued of a channel changes together: the parts that need none of that are elsewhere.
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
  #isTelling = false;
  #status: RtStatus = { state: 'connecting' };

  /** @param address of the gateway's long poll, such as `/rt` */
  constructor(address: string | URL, options: RtOptions = {}) {
    this.#address = absolute(address);
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
    return this.#channels.get(channel)?.page.told;
  }

  /**
   * Follows a channel. Each call is a subscription of its own, even if the listener is the same.
   *
   * @param since the revision of the last message that the page has. Without it, all messages that are kept come; if the channel is followed already,
   * those that its other listeners have not been told
   * @returns a function that ends this subscription
   */
  subscribe<Data = unknown>(
    channel: string,
    listener: RtListener<Data> = () => undefined,
    { since }: { since?: number | undefined } = {},
  ): () => void {
    const before = this.revision(channel) ?? 0;
    const told = since ?? before;
    const page = { listener: this.#tellAll, told };
    const own = { listener: listener as RtListener, told };
    const followed = this.#channels.get(channel) ?? {
      asked: told,
      isDenied: true,
      page,
      subscriptions: new Set<Subscription>([page]),
    };
    this.#channels.set(channel, followed);
    followed.subscriptions.add(own);
    if (followed.isDenied || told < before) this.#askAnew(channel, followed);
    return () => {
      followed.subscriptions.delete(own);
      this.#leaveIfUnused(channel);
    };
  }

  /** Ends all subscriptions of one listener, or of all. A poll that is waiting goes on: what it brings of this channel is ignored. */
  unsubscribe<Data = unknown>(channel: string, listener?: RtListener<Data>): void {
    const subscriptions = this.#channels.get(channel)?.subscriptions;
    for (const one of subscriptions ?? []) if (!listener || one.listener === listener) subscriptions!.delete(one);
    this.#leaveIfUnused(channel);
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
    for (const channel of this.#channels.keys()) this.unsubscribe(channel);
    this.#say({ state: 'closed' });
    this.#listeners.clear();
  }

  /** The next poll brings the messages in the queue again, after the older ones that a new listener wants. */
  #askAnew(channel: string, followed: Channel): void {
    // A reset may not come again, because the gateway knows no more what the others had. It is told to the new listener, too.
    const reset = this.#queue.findLast(
      (event): event is RtReset => event.channel === channel && event.type === 'reset',
    );
    this.#queue = this.#queue.filter((event) => event.channel !== channel || event === reset);
    followed.asked = reset?.revision ?? Math.min(...[...followed.subscriptions].map(({ told }) => told));
    followed.isDenied = false;
    this.#loop.restart();
  }

  #leaveIfUnused(channel: string): void {
    const followed = this.#channels.get(channel);
    // One is that of the page.
    if (!followed || followed.subscriptions.size > 1) return;
    this.#channels.delete(channel);
    this.#queue = this.#queue.filter((event) => event.channel !== channel);
    if (this.#channels.size === 0) this.#loop.restart();
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
    setParameters(pairs, { user: this.#options.user, access_token: token });
    const address = new URL(this.#address);
    const query = new URLSearchParams([...address.searchParams, ...pairs]);
    if (String(query).length > LONGEST_ADDRESS) return { address, body: pairs };
    address.search = String(query);
    return { address };
  }

  /** The listeners are told last: one that subscribes may move `asked` back, and drop what has come from the queue. */
  #take(answer: Answer): boolean {
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
    this.#say({ state: 'ok' });
    this.#replay();
    return Object.keys(answer).length > 0;
  }

  /**
   * Tells the listeners the events in the queue. A listener may pause the client, take other listeners away, and add some, for which an event that
   * is being told is too early.
   */
  #replay(): void {
    // If a listener has ended a pause, the others have to be told this event before the next one.
    if (this.#isTelling) return;
    this.#isTelling = true;
    while (this.#pauses === 0 && this.#queue.length > 0) {
      const event = this.#queue.shift()!;
      const subscriptions = this.#channels.get(event.channel)?.subscriptions;
      for (const one of [...(subscriptions ?? [])]) {
        if (!subscriptions!.has(one) || (event.type === 'message' && event.revision <= one.told)) continue;
        if (event.type !== 'denied') one.told = event.revision;
        try {
          one.listener(event);
        } catch (error) {
          this.#listeners.fail(error);
        }
      }
    }
    this.#isTelling = false;
  }
}

function resetOf(channel: string, last: { id: number; payload?: unknown } | undefined): RtReset {
  const { id: revision = 0, ...rest } = last ?? {};
  return { type: 'reset', channel, revision, ...('payload' in rest && { data: rest.payload }) };
}
