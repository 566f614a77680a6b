import { setTimeout as wait } from 'node:timers/promises';
import type { Frame } from './frames.ts';
import { openStream, type RawStream } from './raw-stream.ts';
import { eventually } from './wait.ts';

export type Row = Record<string, unknown>;

export interface Change {
  version: number;
  revision: number;
  epoch: string;
  [collection: string]: unknown;
}

export interface LivePageOptions {
  port: number;
  collection?: string;
  key?: string;
  /** How the stream begins: at the snapshot's id, or with the last changes, such as `overlap=10`. */
  begin?: string;
  /** How long the page takes between its snapshot and its stream (ms). */
  delay?: () => number;
}

/** A page as the document on live events describes it: snapshot, stream, and the rule of the revisions. */
export class LivePage {
  rows = new Map<string, Row>();
  revision = -1;
  epoch = '';
  startOvers = 0;
  /** The revisions that were applied, since the page began or started over. */
  applied: number[] = [];
  ignored = 0;
  port: number;
  readonly #options: LivePageOptions;
  #stream: RawStream | undefined;
  #isClosed = false;
  #running: Promise<void> | undefined;

  constructor(options: LivePageOptions) {
    this.#options = options;
    this.port = options.port;
  }

  get url(): string {
    return `/live/${this.#options.collection ?? 'drivers'}`;
  }

  /** Follows the collection until it is closed, through cuts and errors. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Breaks the connection; the page comes back with its position. */
  cut(): void {
    this.#stream?.cut();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stream?.close();
    await this.#running;
  }

  async load(): Promise<string> {
    const { collection = 'drivers', key = 'driver_name' } = this.#options;
    const response = await fetch(`http://127.0.0.1:${this.port}${this.url}`, { signal: AbortSignal.timeout(5_000) });
    if (response.status !== 200) throw new Error(`the snapshot was answered ${response.status}`);
    const body = (await response.json()) as { [name: string]: Row[] } & { revision: number; epoch: string; id: string };
    this.rows = new Map(body[collection]!.map((row) => [String(row[key]), row]));
    this.revision = body.revision;
    this.epoch = body.epoch;
    this.applied = [];
    return body.id;
  }

  /** Until the page has this revision of this epoch. */
  reaches(revision: number, deadlineMs = 10_000): Promise<true> {
    return eventually(() => this.revision === revision || undefined, deadlineMs);
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const id = await this.load().catch(() => undefined);
      if (id === undefined) {
        // The gateway is away, or is being started: the page tries again.
        await wait(50);
        continue;
      }
      await wait(this.#options.delay?.() ?? 0);
      await this.#follow(id);
      if (!this.#isClosed) this.startOvers++;
    }
  }

  /** Reads streams, one after the other, until the page has to start over. */
  async #follow(id: string): Promise<void> {
    let lastEventId: string | undefined;
    while (!this.#isClosed) {
      const { begin = 'since' } = this.#options;
      const query = begin === 'since' ? `?since=${id}` : `?${begin}`;
      const headers: Record<string, string> = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
      const stream = openStream({ port: this.port, path: `${this.url}/events${query}`, headers });
      this.#stream = stream;
      let at = 0;
      const mustStartOver = await stream
        .until(({ frames, closed }) => {
          for (; at < frames.length; at++) if (this.#take(frames[at]!)) return { startOver: true };
          return closed ? { startOver: false } : undefined;
        }, 3_600_000)
        .then(({ startOver }) => startOver)
        .catch(() => false);
      lastEventId = stream.lastEventId ?? lastEventId;
      stream.close();
      if (mustStartOver) return;
      await wait(20);
    }
  }

  /** Answers whether the page has to start over. */
  #take({ event, data }: Frame): boolean {
    if (event === 'reset') return true;
    if (data === undefined || !data.startsWith('{"version"')) return false;
    return this.apply(JSON.parse(data) as Change);
  }

  /** Answers whether the page has to start over. */
  apply(change: Change): boolean {
    const { collection = 'drivers', key = 'driver_name' } = this.#options;
    if (change.epoch === this.epoch && change.revision <= this.revision) {
      this.ignored++;
      return false;
    }
    if (change.epoch !== this.epoch || change.revision !== this.revision + 1) return true;
    const { update, destroy } = change[collection] as { create: string[]; update: Row[]; destroy: string[] };
    for (const name of destroy) this.rows.delete(name);
    for (const row of update) this.rows.set(String(row[key]), row);
    this.revision = change.revision;
    this.applied.push(change.revision);
    return false;
  }
}
