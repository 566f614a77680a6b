import type { Redis } from 'ioredis';
import { eventually } from './wait.ts';

export interface RawPlain {
  id: number;
  number: number;
  channel: string;
  data: string;
  count: string;
}

export interface RawLease {
  /** How long (ms). */
  ttl?: number;
  again?: boolean;
  /** `<id> <number> <count>`: up to where it has recorded everything. */
  upTo?: [number | string, number, string];
}

/**
 * What a recorder says to Redis, call by call, by a test that decides what it says and when. It counts the places of plain
 * PUBLISHes as every recorder does, and records none unless told to.
 */
export class RawRecorder {
  readonly name: string;
  readonly patterns: string;
  /** Its first anchor, and Redis's count there. */
  from = '';
  fromCount = '';
  /** Plain PUBLISHes, in order, that it has not recorded. */
  heard: RawPlain[] = [];
  /** Whether somebody had the lease, as it was answered last. */
  isHeld = false;
  /** How often a lease was given back. */
  releases = 0;
  readonly #commands: Redis;
  readonly #hearing: Redis;
  #place = { id: 0, number: 0 };
  #count = '';

  private constructor(name: string, patterns: string, commands: Redis, hearing: Redis) {
    this.name = name;
    this.patterns = patterns;
    this.#commands = commands;
    this.#hearing = hearing;
  }

  /** Hears from now on. */
  static async begin(client: () => Redis, name: string, patterns = '*:*'): Promise<RawRecorder> {
    const recorder = new RawRecorder(name, patterns, client(), client());
    await recorder.#begin();
    return recorder;
  }

  get place(): [number, number, string] {
    return [this.#place.id, this.#place.number, this.#count];
  }

  /** Gives out an id, and waits until everything before it was heard. */
  async anchor(...patterns: string[]): Promise<void> {
    const id = Number(await this.#commands.fcall('sisyphus_anchor', 0, this.name, ...patterns));
    await eventually(() => this.#place.id >= id);
  }

  async lease(wanted: 'ask' | 'keep' | 'release' | 'leave', options: RawLease = {}): Promise<string> {
    const { ttl = 60_000, again = false, upTo = [0, 0, this.fromCount] } = options;
    const beginning = [this.from, this.fromCount];
    const args = [this.name, ttl, this.patterns, ...beginning, ...upTo, wanted, again ? 'again' : '-'];
    const [role, , , held] = (await this.#commands.fcall('sisyphus_lease', 0, ...args)) as [
      string,
      string,
      number,
      number,
    ];
    this.isHeld = held === 1;
    return role;
  }

  /** What was heard, or these, in one batch. */
  async record(messages = this.heard): Promise<(number | string)[]> {
    const fields = messages.flatMap(({ id, number, channel, data }) => [id, number, channel, data]);
    const count = messages.at(-1)!.count;
    const answer = await this.#commands.fcall('sisyphus_record', 0, this.name, count, ...fields);
    this.heard = this.heard.filter((message) => !messages.includes(message));
    return answer as (number | string)[];
  }

  /** Once so many plain PUBLISHes were heard that are not recorded. */
  async hears(messages: number): Promise<RawPlain[]> {
    await eventually(() => this.heard.length >= messages);
    return this.heard;
  }

  /** Its connection is lost: it hears nothing more, and may still ask. */
  deafen(): void {
    this.#hearing.disconnect();
  }

  end(): void {
    this.#commands.disconnect();
    this.#hearing.disconnect();
  }

  async #begin(): Promise<void> {
    this.#hearing.on('pmessage', (pattern: string, topic: string, text: string) => this.#hear(pattern, topic, text));
    await this.#hearing.psubscribe('sisyphus{0}/*', this.patterns);
    await this.anchor();
  }

  #hear(pattern: string, topic: string, text: string): void {
    if (topic === 'sisyphus{0}/@settled') return;
    if (topic === 'sisyphus{0}/@recorder') this.releases++;
    else if (pattern !== this.patterns) this.#hearRecord(topic, text);
    else if (this.from !== '') {
      const { id, number } = this.#place;
      this.#place = { id, number: number + 1 };
      const [life, calls] = this.#count.split(':');
      this.#count = `${life}:${Number(calls) + 1}`;
      this.heard.push({ id, number: number + 1, channel: topic, data: text, count: this.#count });
    }
  }

  #hearRecord(topic: string, text: string): void {
    const [id = '', name = '', count = ''] = text.split('\n', 1)[0]!.split(' ');
    // A gap has no id.
    if (!/^\d+$/.test(id)) return;
    this.#place = { id: Number(id), number: 0 };
    if (topic !== 'sisyphus{0}/@anchor') return;
    this.#count = count;
    if (name !== this.name || this.from !== '') return;
    this.from = id;
    this.fromCount = count;
  }
}
