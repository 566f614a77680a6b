import { type Meaning, readJson, readRaw } from '../fault/processes/fault-reader.ts';
import type { Random } from '../fault/random.ts';
import type { Frame as WireFrame } from '../support/frames.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import type { Frame, ReaderHistory, Stream } from './history.ts';

/** Where a reader finds gateways, and whom it tells that one has given it something. */
interface Surroundings {
  ports(): number[];
  gave(gateway: number): void;
}

/** No stream of a world lives longer (ms). */
const LIFE = 600_000;

/** One client of a world: it drops when it is told to, and comes back by itself with what it read last. */
export class WorldReader {
  readonly name: string;
  readonly user: string;
  readonly #format: 'raw' | 'json';
  readonly #world: Surroundings;
  readonly #random: Random;
  readonly #streams: { stream: RawStream; note: Stream }[] = [];
  /** From `performance.now()`, by which frames are timed, to the wall clock. */
  readonly #epoch = Date.now() - performance.now();
  readonly #timers = new Set<NodeJS.Timeout>();
  #leaving = false;

  constructor(name: string, user: string, world: Surroundings, random: Random) {
    this.name = name;
    this.user = user;
    this.#world = world;
    this.#random = random;
    this.#format = random.chance(0.3) ? 'raw' : 'json';
  }

  /** `since`: a position to begin from. */
  connect(since?: number): void {
    if (this.#leaving) return;
    const from = this.#lastEventId();
    const headers: Record<string, string> = from === undefined ? {} : { 'Last-Event-ID': from };
    // As an EventSource: the address stays the same, and the header wins over it.
    this.#since ??= since;
    const query = this.#since === undefined ? '' : `&since=${this.#since}`;
    const [port = 0] = this.#random.sample(this.#world.ports(), 1);
    const requestedAt = Date.now();
    const stream = openStream({ port, path: `/?user=${this.user}&format=${this.#format}${query}`, headers });
    const begin = from === undefined ? this.#since : Number(from);
    const note: Stream = {
      gateway: port,
      requestedAt,
      from: begin,
      okAt: undefined,
      closedAt: undefined,
      closedBy: undefined,
    };
    this.#streams.push({ stream, note });
    const end = (): void => this.#ended(note);
    const look = ({ closed, frames }: RawStream): boolean => {
      if (frames.length > 0) this.#world.gave(port);
      return closed;
    };
    void stream.until(look, LIFE).then(end, end);
  }

  #since: number | undefined;

  /** Goes away; comes back after so many milliseconds. */
  drop(returnsAfter: number): void {
    const last = this.#streams.at(-1);
    if (!last || last.note.closedBy) return;
    this.#close(last, 'reader');
    this.#later(() => this.connect(), returnsAfter);
  }

  get isOpen(): boolean {
    const last = this.#streams.at(-1);
    return last !== undefined && !last.note.closedBy && last.stream.frames.length > 0;
  }

  hasRead(text: string): boolean {
    return this.#streams.some(({ stream }) => stream.frames.some(({ data }) => data?.includes(text)));
  }

  leave(): void {
    this.#leaving = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const last = this.#streams.at(-1);
    if (last && !last.note.closedBy) this.#close(last, 'reader');
  }

  history(): ReaderHistory {
    const { name, user } = this;
    const frames = this.#streams.flatMap(({ stream }, number) =>
      stream.frames.map((frame) => this.#read(frame, number)),
    );
    for (const frame of frames) {
      const { note } = this.#streams[frame.stream]!;
      if (frame.kind === 'ok') note.okAt ??= frame.at;
    }
    return { name, user, streams: this.#streams.map(({ note }) => note), frames };
  }

  #read(frame: WireFrame, stream: number): Frame {
    const { id = '', data = '', at } = frame;
    const { text = '', ...meaning }: Meaning = this.#format === 'json' ? readJson(data, id) : readRaw(frame);
    return { stream, at: at + this.#epoch, id: Number(id), text, ...meaning };
  }

  #lastEventId(): string | undefined {
    return this.#streams.findLast(({ stream }) => stream.lastEventId !== undefined)?.stream.lastEventId;
  }

  #close({ stream, note }: { stream: RawStream; note: Stream }, by: 'reader' | 'gateway'): void {
    note.closedAt = Date.now();
    note.closedBy = by;
    stream.close();
  }

  #ended(note: Stream): void {
    if (note.closedBy) return;
    note.closedAt = Date.now();
    note.closedBy = 'gateway';
    // Sooner than a browser would: worlds are short.
    this.#later(() => this.connect(), this.#random.integer(20, 120));
  }

  #later(act: () => void, ms: number): void {
    if (this.#leaving) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }
}
