import { FakeTimers } from '../fake-timers.ts';

/** A request that waits until the test answers it. */
export interface Asked {
  method: string;
  /** Path and query. */
  path: string;
  body: string;
  isOver: boolean;
  answer(text: string | object, init?: ResponseInit): void;
  fail(): void;
}

/** A network whose requests the test answers, and a clock that stands still until the test lets it go. */
export class FakeNetwork {
  readonly timers = new FakeTimers();
  /** Those that wait. */
  readonly asked: Asked[] = [];
  /** How far the clock of the machine was set, or how long the machine slept, since the test began (ms). */
  shift = 0;
  readonly #now = Date.now;
  readonly #steady = performance.now;

  install(): void {
    this.timers.install();
    const begun = this.#now();
    Date.now = () => begun + this.timers.now + this.shift;
    performance.now = () => this.timers.now;
  }

  restore(): void {
    this.timers.restore();
    Date.now = this.#now;
    performance.now = this.#steady;
  }

  /** Lets time pass, and all that follows from it happen. */
  async pass(milliseconds = 0): Promise<void> {
    await this.timers.pass(milliseconds);
    // An answer goes through more promises than the timers wait for.
    for (let i = 0; i < 8; i++) await this.timers.pass();
  }

  /** The request that waits. */
  get waiting(): Asked {
    if (this.asked.length !== 1) throw new Error(`${this.asked.length} requests wait`);
    return this.asked[0]!;
  }

  readonly fetch = ((address: URL, { method = 'GET', body = '', signal }: RequestInit = {}) =>
    new Promise<Response>((resolve, reject) => {
      const end = (): void => {
        asked.isOver = true;
        if (this.asked.includes(asked)) this.asked.splice(this.asked.indexOf(asked), 1);
      };
      const asked: Asked = {
        method,
        path: address.pathname + address.search,
        body: String(body),
        isOver: false,
        answer: (text, init) => {
          end();
          resolve(new Response(typeof text === 'string' ? text : JSON.stringify(text), init));
        },
        fail: () => {
          end();
          reject(new TypeError('fetch failed'));
        },
      };
      this.asked.push(asked);
      // It is not rejected, because an answer may be there already that the client must not take.
      signal!.addEventListener('abort', end);
    })) as typeof fetch;
}
