import { tabs } from '../../../src/client/tabs.ts';
import { ClientOfModel, type Gateway } from './simulated-gateway.ts';

interface Timer {
  at: number;
  every: number;
  run: () => void;
}

interface Channel {
  name: string;
  tab: Tab;
  onmessage: ((event: { data: unknown }) => void) | null;
}

interface LockRequest {
  tab: Tab;
  run: () => Promise<void> | undefined;
  settle: { resolve: () => void; reject: (error: Error) => void };
}

/** A tab: what it is to do is in queues; the tasks of one queue run in their order, those of different ones in any. */
export class Tab {
  readonly queues = new Map<unknown, (() => void)[]>();
  readonly timers = new Set<Timer>();
  readonly name: string;
  isFrozen = false;
  isGone = false;

  constructor(name: string) {
    this.name = name;
  }

  add(queue: unknown, task: () => void): void {
    if (!this.isGone) this.queues.set(queue, [...(this.queues.get(queue) ?? []), task]);
  }
}

const aborted = (): Error => Object.assign(new Error('aborted'), { name: 'AbortError' });

/** A browser with Web Locks, BroadcastChannel and clock of its own. Nothing happens until `step` or `pass` is called. */
export class SimulatedBrowser {
  now = 1_000_000;
  /** As where the user blocks all storage. */
  hasNoLocks = false;
  readonly tabs: Tab[] = [];
  /** Whose code is running. */
  #current: Tab | undefined;
  readonly #channels = new Set<Channel>();
  readonly #storageListeners = new Set<{ tab: Tab; run: () => void }>();
  readonly #held = new Map<string, LockRequest>();
  readonly #waiting = new Map<string, LockRequest[]>();
  readonly #real = new Map<string, PropertyDescriptor | undefined>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  install(): void {
    const browser = this;
    const globals = {
      document: { addEventListener: () => undefined },
      navigator: { locks: { request: this.#request.bind(this) } },
      setInterval: (run: () => void, every: number) => browser.#set(run, every),
      clearInterval: (timer: Timer) => browser.tabs.some((tab) => tab.timers.delete(timer)),
      BroadcastChannel: class implements Channel {
        readonly name: string;
        readonly tab = browser.#current!;
        onmessage: Channel['onmessage'] = null;
        constructor(name: string) {
          this.name = name;
          browser.#channels.add(this);
        }
        postMessage(data: unknown): void {
          browser.#post(this, structuredClone(data));
        }
        close(): void {
          browser.#channels.delete(this);
        }
      },
      localStorage: new Proxy({} as Record<string, string>, {
        set: (stored, name: string, value: string) => {
          if (stored[name] !== value) browser.#tellOfStorage();
          stored[name] = value;
          return true;
        },
      }),
      addEventListener: (_type: 'storage', run: () => void, { signal }: { signal: AbortSignal }) => {
        const listener = { tab: browser.#current!, run };
        browser.#storageListeners.add(listener);
        signal.addEventListener('abort', () => browser.#storageListeners.delete(listener));
      },
      Date: Object.assign(Object.create(Date), { now: () => browser.now }),
      Math: Object.assign(Object.create(Math), { random: this.#random }),
    };
    for (const [name, value] of Object.entries(globals)) {
      this.#real.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
  }

  restore(): void {
    for (const [name, before] of this.#real) {
      if (before) Object.defineProperty(globalThis, name, before);
      else Reflect.deleteProperty(globalThis, name);
    }
  }

  /** Runs code of a tab, and its promises. */
  async run(tab: Tab, code: () => void): Promise<void> {
    if (tab.isGone) return;
    this.#current = tab;
    code();
    for (let i = 0; i < 12; i++) await undefined;
    this.#current = undefined;
  }

  open(): Tab {
    const tab = new Tab(`tab ${this.tabs.length}`);
    this.tabs.push(tab);
    return tab;
  }

  /** The tab is gone without a word. */
  crash(tab: Tab): void {
    tab.isGone = true;
    tab.queues.clear();
    tab.timers.clear();
    for (const channel of this.#channels) if (channel.tab === tab) this.#channels.delete(channel);
    for (const [name, waiting] of this.#waiting) {
      this.#waiting.set(
        name,
        waiting.filter((request) => request.tab !== tab),
      );
    }
    for (const [name, request] of this.#held) if (request.tab === tab) this.#next(name);
  }

  /** What a tab writes is told to all others. */
  #tellOfStorage(): void {
    for (const { tab, run } of this.#storageListeners) if (tab !== this.#current) tab.add(this, run);
  }

  /** Runs one task. @returns whether there was one */
  async step(): Promise<boolean> {
    const ready = this.tabs
      .filter((tab) => !tab.isFrozen && !tab.isGone)
      .flatMap((tab) => [...tab.queues].filter(([, tasks]) => tasks.length > 0).map(([, tasks]) => ({ tab, tasks })));
    const next = ready[Math.floor(this.#random() * ready.length)];
    if (next) await this.run(next.tab, next.tasks.shift()!);
    return next !== undefined;
  }

  /** Time passes; timers of frozen tabs run when they have woken. */
  async pass(milliseconds: number): Promise<void> {
    this.now += milliseconds;
    for (const tab of this.tabs) {
      for (const timer of tab.timers) {
        if (tab.isFrozen || timer.at > this.now) continue;
        timer.at = this.now + timer.every;
        await this.run(tab, timer.run);
      }
    }
  }

  #set(run: () => void, every: number): Timer {
    const timer = { run, every, at: this.now + every };
    this.#current!.timers.add(timer);
    return timer;
  }

  #post(from: Channel, data: unknown): void {
    for (const channel of this.#channels) {
      if (channel === from || channel.name !== from.name) continue;
      channel.tab.add(from, () => this.#channels.has(channel) && channel.onmessage?.({ data }));
    }
  }

  #request(
    name: string,
    { steal, signal }: { steal?: boolean; signal?: AbortSignal },
    run: LockRequest['run'],
  ): Promise<void> {
    const tab = this.#current!;
    return new Promise((resolve, reject) => {
      if (this.hasNoLocks) {
        reject(Object.assign(new Error('denied'), { name: 'SecurityError' }));
        return;
      }
      const request = { tab, run, settle: { resolve, reject } };
      const waiting = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, waiting);
      if (steal) {
        const robbed = this.#held.get(name);
        robbed?.tab.add(this, () => robbed.settle.reject(aborted()));
        this.#grant(name, request);
        return;
      }
      waiting.push(request);
      signal?.addEventListener('abort', () => {
        const waits = this.#waiting.get(name) ?? [];
        if (!waits.includes(request)) return;
        this.#waiting.set(
          name,
          waits.filter((one) => one !== request),
        );
        reject(aborted());
      });
      if (!this.#held.has(name)) this.#next(name);
    });
  }

  #next(name: string): void {
    this.#held.delete(name);
    const next = this.#waiting.get(name)?.shift();
    if (next) this.#grant(name, next);
  }

  #grant(name: string, request: LockRequest): void {
    this.#held.set(name, request);
    request.tab.add(this, () => {
      const done = (): void => {
        if (this.#held.get(name) === request) this.#next(name);
        request.settle.resolve();
      };
      void Promise.resolve(request.run()).then(done);
    });
  }
}

export interface PageOptions {
  key?: string;
  since?: number | undefined;
  /** Added to the address of the stream. */
  query?: string;
}

/** A page in a tab of its own, with a client over shared lines. */
export async function openPage(gateway: Gateway, { key = '7', since, query = '' }: PageOptions = {}) {
  const { browser } = gateway;
  const tab = browser.open();
  const client = new ClientOfModel(gateway, tab, tabs({ key })(gateway.lines(tab)), since);
  client.query = query;
  await browser.run(tab, () => client.open());
  return client;
}
