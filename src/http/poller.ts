import type { ServerResponse } from 'node:http';
import type { CollectionFeed } from './collection-feed.ts';
import type { Line } from './line-pacer.ts';

const SPACE = Buffer.from(' ');

export interface PollerOptions {
  /** Whether the answer ends after the first news. */
  isOnce: boolean;
  /** How often a space is sent (ms), so that nobody on the way takes the connection for dead. */
  noopInterval: number;
  /** The most unsent bytes, besides the state that it begins with. */
  maxBuffer: number;
}

/** One answer of a poll: lines of a feed, until either side ends it. */
export class Poller {
  readonly ended: Promise<void>;
  readonly #response: ServerResponse;
  readonly #feed: CollectionFeed;
  readonly #options: PollerOptions;
  /** Lines that have come while the past is read. */
  #held: Line[] | undefined;
  #isFirst = true;
  #leave: () => void = () => undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #bound: number;

  constructor(response: ServerResponse, feed: CollectionFeed, options: PollerOptions) {
    this.#response = response;
    this.#feed = feed;
    this.#options = options;
    this.#bound = options.maxBuffer;
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        this.#leave();
        clearInterval(this.#keepAlive);
        resolve();
      });
    });
  }

  /** Keeps the lines that come from now on until `begin`. */
  hold(): void {
    this.#held = [];
    this.#leave = this.#feed.follow((line) => this.#take(line));
  }

  /**
   * @param past the lines of the batches that the client has missed; `undefined`: it is sent the whole state
   * @param isNews whether the whole state is news for the client
   */
  begin(past: Line[] | undefined, isNews: boolean): void {
    const response = this.#response;
    if (response.destroyed) return;
    const head = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };
    response.writeHead(200, head);
    response.flushHeaders();
    this.#keepAlive = setInterval(() => response.write(SPACE), this.#options.noopInterval);
    const held = this.#held ?? [];
    this.#held = undefined;
    if (past === undefined) this.#beginWithState(isNews);
    else {
      this.#isFirst = false;
      for (const line of past) response.write(line.bytes);
      for (const line of held) response.write(line.bytes);
      if (past.length + held.length > 0) this.#endIfOnce();
    }
  }

  end(): void {
    this.#response.end();
  }

  #beginWithState(isNews: boolean): void {
    this.#leave();
    if (!this.#feed.isReady) {
      // It is being loaded again. The client comes back.
      this.#response.destroy();
      return;
    }
    this.#leave = this.#feed.subscribe((line) => this.#take(line));
    if (isNews) this.#endIfOnce();
  }

  #take(line: Line): void {
    if (this.#held) {
      this.#held.push(line);
      return;
    }
    this.#response.write(line.bytes);
    // The first line may be large, and is the same bytes for everybody who polls.
    if (this.#isFirst) this.#bound += line.bytes.length;
    else if (this.#response.writableLength > this.#bound) this.#response.destroy();
    else this.#endIfOnce();
    this.#isFirst = false;
  }

  #endIfOnce(): void {
    if (this.#options.isOnce) this.#response.end();
  }
}
