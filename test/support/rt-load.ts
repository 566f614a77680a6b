import { setTimeout as wait } from 'node:timers/promises';
import { type Relay, startRelay } from './relay.ts';
import { type RtAnswer, RtClient } from './rt.ts';

/** The longest that a poll is left alone before it may be cut (ms). */
const LONGEST = 400;
/** A poll in so many is cut within the bytes of its answer. */
const IN_THE_ANSWER = 3;
/** A poll in so many is followed by a long pause of the client. */
const PAUSES = 40;
const PAUSE = 4000;

export interface Cuts {
  client: RtClient;
  cuts: number;
  /** Polls that were answered by an error, or by nobody. */
  failures: number;
}

/** A client that asks again and again, each time another gateway, and whose polls are cut at random moments. */
export class CutClient implements Cuts {
  readonly client: RtClient;
  cuts = 0;
  failures = 0;
  /** Whether polls are cut. */
  isCutting = true;
  readonly #relay: Relay;
  readonly #portOf: () => number;
  #isOver = false;
  readonly #running: Promise<void>;

  private constructor(channels: string[], portOf: () => number, relay: Relay) {
    this.client = new RtClient(channels);
    this.#portOf = portOf;
    this.#relay = relay;
    this.#running = this.#run();
  }

  /** @param portOf the port of a gateway that runs, another one each time */
  static async start(channels: string[], portOf: () => number): Promise<CutClient> {
    return new CutClient(channels, portOf, await startRelay({ targetPort: portOf() }));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#relay.cutAll();
    await this.#running;
    await this.#relay.stop();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      this.#relay.retarget(this.#portOf());
      const answer = await this.#ask();
      if (answer) this.client.take(answer);
      if (this.isCutting && Math.random() < 1 / PAUSES) await wait(PAUSE);
    }
  }

  /** One poll; `undefined` if it was cut, or not answered. */
  async #ask(): Promise<RtAnswer | undefined> {
    const abort = new AbortController();
    const timer = this.isCutting ? setTimeout(() => abort.abort(), Math.random() * LONGEST) : undefined;
    if (this.isCutting && Math.random() < 1 / IN_THE_ANSWER) this.#cutLater();
    try {
      const headers = { Connection: 'close' };
      const response = await fetch(`${this.#relay.url}/rt?${this.client.query}`, { signal: abort.signal, headers });
      const text = await response.text();
      if (response.status === 200) return JSON.parse(text) as RtAnswer;
      this.failures++;
    } catch {
      if (this.isCutting) this.cuts++;
      else this.failures++;
    } finally {
      clearTimeout(timer);
    }
    // A gateway that was killed a moment ago refuses connections.
    await wait(10);
    return undefined;
  }

  /** Cuts the next connection after a random number of bytes of the answer. */
  #cutLater(): void {
    const before = new Set(this.#relay.links);
    const timer = setInterval(() => {
      const link = [...this.#relay.links].find((one) => !before.has(one));
      if (!link) return;
      clearInterval(timer);
      link.down.cutAfter(1 + Math.floor(Math.random() * 600));
    }, 2);
    setTimeout(() => clearInterval(timer), LONGEST).unref();
  }
}
