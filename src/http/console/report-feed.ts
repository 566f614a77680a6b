import type { ServerResponse } from 'node:http';
import { SisyphusError } from '../../errors.ts';
import { errorOf } from '../refusal-error.ts';
import { STREAM_HEADERS } from '../stream-head.ts';

/** A report is sent this often (ms). */
const PERIOD = 1000;
/** How many pages may watch one process at a time. */
const MOST = 50;

export interface ReportFeedOptions {
  read: () => Promise<object>;
  isDraining: () => boolean;
  onFailure: (error: unknown) => void;
}

/** Sends a report each second to the pages that watch: one for all of them, and none while nobody watches. */
export class ReportFeed {
  readonly #options: ReportFeedOptions;
  /** When the log-in of each page ends (ms since 1970). */
  readonly #pages = new Map<ServerResponse, number>();
  #timer: NodeJS.Timeout | undefined;
  #isReading = false;

  constructor(options: ReportFeedOptions) {
    this.#options = options;
  }

  /**
   * @param until when the log-in of the page ends (ms since 1970)
   * @throws SisyphusError `unavailable`, `draining`
   */
  add(page: ServerResponse, until = Number.POSITIVE_INFINITY): void {
    if (this.#options.isDraining()) throw errorOf({ refusal: 'draining' });
    if (this.#pages.size >= MOST) {
      throw new SisyphusError('unavailable', `${MOST} consoles watch already: expected one of them to be closed`);
    }
    page.writeHead(200, STREAM_HEADERS);
    if (page.req.method === 'HEAD') {
      page.end();
      return;
    }
    page.flushHeaders();
    this.#pages.set(page, until);
    page.once('close', () => this.#remove(page));
    this.#timer ??= setInterval(() => void this.#send(), PERIOD).unref();
    void this.#send();
  }

  #remove(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #send(): Promise<void> {
    // A response that stays open would keep a stop waiting, or show reports to whoever has no log-in any more.
    const isDraining = this.#options.isDraining();
    for (const [page, until] of this.#pages) if (isDraining || until <= Date.now()) page.end();
    if (this.#isReading || this.#pages.size === 0) return;
    this.#isReading = true;
    try {
      const frame = `data: ${JSON.stringify(await this.#options.read())}\n\n`;
      // A page that does not read gets the next one that it has room for.
      for (const page of this.#pages.keys()) if (!page.writableNeedDrain && !page.writableEnded) page.write(frame);
    } catch (error) {
      this.#options.onFailure(error);
    } finally {
      this.#isReading = false;
    }
  }
}
