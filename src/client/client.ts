import { addressOf } from './address.ts';
import { type MessageFrame, parseFrame, type StatusFrame } from './frames.ts';
import { LEAST_SILENCE, LONGEST_RETRY, LOOK, MANY_FAILURES, PATIENCE, SILENT_INTERVALS } from './limits.ts';
import { eventSourceLines, type Line, type OpenLine } from './line.ts';
import { Listeners } from './listeners.ts';
import type { LoadOptions, LoadRequest } from './loader.ts';
import { Loads } from './loads.ts';
import type { Events, Listener, SisyphusOptions, Status } from './options.ts';

export type { DeniedFrame, Frame, MessageFrame, NoopFrame, ResetFrame, ResetReason, StatusFrame } from './frames.ts';
export type { EventSourceClass, EventSourceLike, Line, OpenLine, Receiver, Through } from './line.ts';
export type { LoadOptions, LoadRequest } from './loader.ts';
export type { SisyphusOptions, Status } from './options.ts';

/**
 * One stream of a gateway, which is opened again whenever it is lost, at the position that was reached.
 *
 * Invariant: either a line is open or being opened, and `#heard` is set; or `#timer` will open it; or the page is in the browser's back/forward
 * cache, whose end opens it; or the stream is over. `#drop` ends the first two, and each opening begins with it.
 */
export class Sisyphus {
  readonly #address: URL;
  readonly #options: SisyphusOptions;
  readonly #open: OpenLine;
  readonly #listeners = new Listeners();
  readonly #loads = new Loads((message) => this.#give(message));
  readonly #watch: ReturnType<typeof setInterval>;
  readonly #end = new AbortController();
  #status: Status = { state: 'connecting' };
  #position: string | undefined;
  #line: Line | undefined;
  /** Counts the openings: what belongs to an earlier one is ignored. */
  #opening = 0;
  /** Whether this line has said `ok`. */
  #isLive = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the gateway has said when to come back. */
  #isTold = false;
  #failures = 0;
  /** When the last frame came, or else the opening began; 0 if no line is open or being opened. */
  #heard = 0;
  /** How long the line may be silent now (ms). */
  #silence = 0;

  /** @param address of the gateway's stream, such as `/stream` @throws TypeError if this is no address, or if there is no EventSource */
  constructor(address: string | URL, options: SisyphusOptions = {}) {
    this.#address = new URL(address, (globalThis.document?.baseURI ?? globalThis.location?.href) as string | undefined);
    this.#options = options;
    const { EventSource = globalThis.EventSource, through = [], withCredentials } = options;
    if (!EventSource) throw new TypeError('expected the option EventSource');
    this.#open = through.reduceRight((open, add) => add(open), eventSourceLines(EventSource, !!withCredentials));
    this.#watch = setInterval(() => {
      if (this.#isSilent()) this.#again({ state: 'error', reason: 'silent' });
    }, LOOK);
    for (const name of ['online', 'offline', 'pageshow', 'pagehide', 'visibilitychange', 'resume']) {
      // The last two events are the document's. The window sees them first, because it captures.
      globalThis.addEventListener?.(name, this.#hear, { capture: true, signal: this.#end.signal });
    }
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
    return this.#listeners.add(name, listener);
  }

  /** Messages of one channel. @returns a function that takes the listener away */
  channel<Data = unknown>(channel: string, listener: Listener<MessageFrame<Data>>): () => void {
    return this.#listeners.add(`channel ${channel}`, listener);
  }

  /** Messages that were published with this name. @returns a function that takes the listener away */
  event<Data = unknown>(event: string, listener: Listener<MessageFrame<Data>>): () => void {
    return this.#listeners.add(`event ${event}`, listener);
  }

  /**
   * Loads the state of channels and joins it to the stream: first the state, then every later message of these channels. The state is loaded again
   * when channels are reset: once for all that are reset in one moment. A message may be in the state already.
   *
   * @returns a function that ends the loading
   */
  load<State>(
    channels: string | readonly string[],
    read: (request: LoadRequest) => Promise<State>,
    apply: (state: State, channels: string[]) => unknown,
    options?: LoadOptions,
  ): () => void {
    return this.#loads.add<State>(
      {
        ...options,
        channels: [channels].flat() as string[],
        read,
        apply,
        failed: this.#listeners.fail,
        spread: this.#options.spread ?? 4000,
      },
      this.#isLive,
    );
  }

  /**
   * Looks at the line at once, and opens it again if it was lost, unless the gateway has said when to come back. A page does so by itself when it
   * is shown again; other programs, such as those in React Native, call it when they come to the foreground.
   *
   * @param isOnline the network is back: the line is opened again in any case
   */
  wake(isOnline = false): void {
    if (this.#isOver || !(isOnline || (this.#heard ? this.#isSilent() : !this.#isTold))) return;
    void this.#connect();
    this.#say({ state: 'connecting' });
  }

  /** Ends the stream for good. */
  close(): void {
    this.#stop({ state: 'closed' });
    this.#listeners.clear();
  }

  #say(status: Status): void {
    if (this.#status.state === 'closed' || JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.#listeners.tell('status', status);
  }

  get #isOver(): boolean {
    return this.#end.signal.aborted;
  }

  async #connect(): Promise<void> {
    this.#drop();
    const opening = this.#opening;
    this.#heard = Date.now();
    this.#silence = PATIENCE;
    const isOver = (): boolean => opening !== this.#opening;
    try {
      // An error that `credential` throws at once is told later, when the page has had time to listen.
      const token = await Promise.resolve().then(this.#options.credential);
      if (isOver()) return;
      const line = this.#open(addressOf(this.#address, this.#options, token, this.#position), {
        frame: (data, id) => isOver() || this.#take(data, id),
        ended: () => isOver() || this.#again({ state: 'error', reason: 'lost' }),
      });
      if (isOver()) line.close();
      else this.#line = line;
    } catch (error) {
      if (isOver()) return;
      this.#again({ state: 'error', reason: 'credential' });
      this.#listeners.fail(error);
    }
  }

  #drop(): void {
    this.#opening++;
    clearTimeout(this.#timer);
    this.#heard = 0;
    this.#isTold = this.#isLive = false;
    this.#line?.close();
    this.#line = undefined;
  }

  /** Opens the stream again when the gateway has said, or else after a pause that grows with the failures and is different for each page. */
  #again(status: Status, retry?: number): void {
    this.#drop();
    this.#isTold = retry! > 0;
    const failures = this.#failures++;
    const longest = failures === 0 ? 2000 : failures < MANY_FAILURES ? 4000 : 15_000;
    const pause = this.#isTold ? Math.min(retry!, LONGEST_RETRY) : longest * (1 - Math.random() * 0.75);
    this.#timer = setTimeout(() => void this.#connect(), pause);
    this.#say(status);
  }

  #stop(status: Status): void {
    this.#end.abort();
    this.#drop();
    clearInterval(this.#watch);
    this.#loads.close();
    this.#say(status);
  }

  #take(data: string, id: string): void {
    const frame = parseFrame(data);
    if (!frame) return;
    this.#heard = Date.now();
    if (+id) this.#position = id;
    this.#listeners.tell('frame', frame);
    if (this.#isOver) return;
    if (frame.type === 'message') this.#loads.take(frame);
    else if (frame.type === 'status') this.#takeStatus(frame);
    else if (frame.type === 'noop') {
      // A gateway that is being stopped sends its readers to another one.
      if (frame.retry) this.#again({ state: 'connecting' }, frame.retry);
    } else {
      if (frame.type === 'reset') this.#loads.reset(frame.channel);
      this.#listeners.tell(frame.type, frame);
    }
  }

  #takeStatus({ type, status, noopInterval, retry, ...why }: StatusFrame): void {
    if (status === 'ok') {
      this.#failures = 0;
      this.#isLive = true;
      this.#silence = Math.max(LEAST_SILENCE, SILENT_INTERVALS * (noopInterval ?? PATIENCE));
      this.#say({ state: 'ok' });
      this.#loads.begin();
    } else if (status === 'failure' && !(why.reason === 'expired' && this.#isLive)) {
      this.#stop({ state: 'failure', ...why });
    } else this.#again({ state: 'error', ...why }, retry);
  }

  #give(message: MessageFrame): void {
    this.#listeners.tell('message', message);
    this.#listeners.tell(`channel ${message.channel}`, message);
    if (message.event !== undefined) this.#listeners.tell(`event ${message.event}`, message);
  }

  /** If the page was frozen or the machine slept, this is called late, and finds at once that the line has been silent for too long. */
  #isSilent(): boolean {
    // The machine's clock may have been set back.
    this.#heard = Math.min(this.#heard, Date.now());
    return this.#heard > 0 && Date.now() - this.#heard > this.#silence;
  }

  readonly #hear = ({ type, target }: Event): void => {
    // Elements of the page may have events with these names, too.
    if ((target as Element).tagName) return;
    if (type === 'offline') this.#say({ state: 'error', reason: type });
    else if (type === 'online') this.wake(true);
    else if (type === 'pagehide') {
      // A page with an open connection may not stay in the back/forward cache.
      this.#drop();
      this.#say({ state: 'connecting' });
    } else if (!globalThis.document?.hidden) this.wake();
  };
}
