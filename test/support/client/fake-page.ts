import { setMaxListeners } from 'node:events';
import type { EventSourceLike } from '../../../src/client/line.ts';
import { FakeClock, type FakeTimer } from '../fake-clock.ts';

/** One `EventSource` that the page has opened. */
export class FakeSource implements EventSourceLike {
  readonly url: URL;
  readonly withCredentials: boolean;
  isClosed = false;
  readonly #listeners = new Map<string, (event: { data: string; lastEventId: string }) => void>();

  constructor(url: string, withCredentials: boolean) {
    this.url = new URL(url);
    this.withCredentials = withCredentials;
  }

  addEventListener(type: string, listener: (event: { data: string; lastEventId: string }) => void): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.isClosed = true;
  }

  /** Sends a frame; also to a source that is closed, because events of it may be on their way. */
  say(frame: unknown, id = ''): void {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame);
    this.#listeners.get('message')?.({ data, lastEventId: id });
  }

  ok(id: string, noopInterval = 15_000): void {
    this.say({ status: 'ok', noopInterval, retry: 4000 }, id);
  }

  message(channel: string, id: string, data: unknown = id, event?: string): void {
    this.say({ channel, revision: 1, id, ...(event && { event }), data }, id);
  }

  /** @param type `done` is what react-native-sse says at the end of the stream */
  end(type: 'error' | 'done' = 'error'): void {
    this.#listeners.get(type)?.({ data: '', lastEventId: '' });
  }
}

const GLOBALS = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'addEventListener', 'document'] as const;

/** A page without a browser: a clock that goes when the test says so, events of the window, and sources that the test feeds. */
export class FakePage extends FakeClock {
  override now = Date.UTC(2026, 0);
  /** What the machine's clock shows more than it should. */
  skew = 0;
  readonly sources: FakeSource[] = [];
  readonly document = { hidden: false, baseURI: 'https://app.example.com/rooms/918?x=1' };
  readonly window = new EventTarget();
  readonly EventSource: new (
    url: string,
    init?: { withCredentials?: boolean },
  ) => FakeSource;
  readonly #before = new Map<string, PropertyDescriptor | undefined>();
  readonly #dateNow = Date.now;
  readonly #random = Math.random;

  constructor() {
    super();
    // Many clients on one page are no leak.
    setMaxListeners(0, this.window);
    const { sources } = this;
    this.EventSource = class extends FakeSource {
      constructor(url: string, { withCredentials = false } = {}) {
        super(url, withCredentials);
        sources.push(this);
      }
    };
  }

  /** @param random what `Math.random` answers */
  install(random: () => number = Math.random): void {
    for (const name of GLOBALS) this.#before.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
    const clear = (timer: FakeTimer): boolean => this.waiting.delete(timer);
    const values = {
      setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        this.#set(run, ms, undefined, args),
      setInterval: (run: () => void, ms: number) => this.#set(run, ms, ms, []),
      clearTimeout: clear,
      clearInterval: clear,
      addEventListener: this.window.addEventListener.bind(this.window),
      document: this.document,
    };
    for (const name of GLOBALS)
      Object.defineProperty(globalThis, name, { value: values[name], configurable: true, writable: true });
    Date.now = () => this.now + this.skew;
    Math.random = random;
  }

  restore(): void {
    for (const [name, descriptor] of this.#before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
    Date.now = this.#dateNow;
    Math.random = this.#random;
  }

  /** The source that was opened last. */
  get source(): FakeSource {
    return this.sources.at(-1)!;
  }

  get open(): FakeSource[] {
    return this.sources.filter(({ isClosed }) => !isClosed);
  }

  get timers(): number {
    return this.waiting.size;
  }

  /** @param tagName of the element at which it happens; none: at the window, or the document */
  dispatch(type: string, tagName?: string): void {
    const event = new Event(type);
    if (tagName !== undefined) Object.defineProperty(event, 'target', { value: { tagName } });
    this.window.dispatchEvent(event);
  }

  /** The page is frozen: its timers do not run, and are late when it goes on. */
  freeze(milliseconds: number): void {
    this.now += milliseconds;
  }

  #set(run: (...args: unknown[]) => void, ms: number, every: number | undefined, args: unknown[]): FakeTimer {
    const timer = { at: this.now + ms, every, run: () => run(...args) };
    this.waiting.add(timer);
    return timer;
  }
}
