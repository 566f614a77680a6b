import type { Redis } from 'ioredis';
import { parsePlace } from '../../message/place.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import {
  type Count,
  type Failure,
  FencedError,
  type LeaseAnswer,
  type LeaseRequest,
  type PlainListener,
  type PlainMessage,
  type PlainSource,
  type Recorded,
} from '../../recorder/plain-source.ts';
import { closeConnection, suspect } from './connection.ts';
import { callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import type { PlainNames } from './plain-names.ts';

/** The first four fields of an envelope have no more characters. */
const HEADER = 100;
/**
 * Patterns of plain channels also fit what is no plain PUBLISH in Redis's own count: notifications of the keyspace
 * (`__keyspace@0__:…`, `__keyevent@0__:…`), which no PUBLISH makes, and the topics of any installation.
 */
const UNCOUNTED = /^(__[a-z]+@\d+__:|sisyphus\{)/;

export interface RedisPlainSourceOptions {
  hearing: Redis;
  commands: Redis;
  url: string;
  keys: Keys;
  names: PlainNames;
  /** Called with the name of each plain PUBLISH, as the application wrote it. */
  onName(name: string): void;
}

/** Hears plain channels and all records by pattern, on a connection of its own. */
export class RedisPlainSource implements PlainSource {
  readonly #hearing: Redis;
  readonly #url: string;
  readonly #commands: Redis;
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #records: string;
  readonly #onName: (name: string) => void;

  constructor({ hearing, commands, url, keys, names, onName }: RedisPlainSourceOptions) {
    this.#hearing = hearing;
    this.#url = url;
    this.#commands = commands;
    this.#keys = keys;
    this.#names = names;
    this.#onName = onName;
    this.#records = `${keys.topicPrefix}*`;
  }

  start(listener: PlainListener): void {
    this.#hearing.on('pmessageBuffer', (pattern: string, name: Buffer, payload: Buffer) => {
      this.#hear(listener, String(pattern), name.toString('latin1'), payload);
    });
    this.#hearing.on('ready', () => listener.up());
    this.#hearing.on('close', () => listener.down());
    if (this.#hearing.status === 'ready') listener.up();
  }

  async listen(): Promise<void> {
    // As the hub does, before anything is subscribed.
    await callFunction(this.#hearing, this.#keys, 'sisyphus_mark', [BEGINNING]);
    await this.#hearing.psubscribe(this.#records, ...this.#names.patterns);
  }

  async deafen(): Promise<void> {
    await this.#hearing.punsubscribe(this.#records, ...this.#names.patterns);
  }

  async anchor(name: string): Promise<void> {
    try {
      await callFunction(this.#hearing, this.#keys, 'sisyphus_anchor', [name]);
    } catch (error) {
      suspect(this.#hearing, this.#url, error);
      throw error;
    }
  }

  async lease({ name, ttl, from, fromCount, upTo, wanted, again }: LeaseRequest): Promise<LeaseAnswer> {
    const patterns = this.#names.description;
    const { id, number, count } = upTo ?? { id: BEGINNING, number: 0, count: fromCount };
    const place = [id, number, formatCount(count)];
    const args = [name, ttl, patterns, from, formatCount(fromCount), ...place, wanted, again ? 'again' : '-'];
    const answer = (await callFunction(this.#commands, this.#keys, 'sisyphus_lease', args)) as [
      LeaseAnswer['role'],
      string,
      number,
      number,
    ];
    const [answered, last, numbered, held] = answer;
    const recorded = { id: parsePosition(last) ?? BEGINNING, number: Number(numbered) };
    return { role: answered, place: recorded, isHeld: Number(held) === 1 };
  }

  async record(name: string, messages: PlainMessage[]): Promise<Recorded> {
    const args: (string | number | Buffer)[] = [name, formatCount(messages.at(-1)!.count)];
    for (const { id, number, channel, payload } of messages) args.push(id, number, channel, payload);
    try {
      const answer = (await callFunction(this.#commands, this.#keys, 'sisyphus_record', args)) as (number | string)[];
      const [recorded = 0, skipped = 0, ...failed] = answer;
      return { recorded: Number(recorded), skipped: Number(skipped), failed: failuresOf(failed) };
    } catch (error) {
      if ((error as Error).message.startsWith('FENCED')) throw new FencedError((error as Error).message);
      throw error;
    }
  }

  async close(): Promise<void> {
    await closeConnection(this.#hearing);
  }

  #hear(listener: PlainListener, pattern: string, name: string, payload: Buffer): void {
    if (pattern === this.#records) {
      const topic = name.slice(this.#keys.topicPrefix.length);
      if (topic === '@recorder') listener.released();
      else if (topic === '@anchor') {
        const [id = '', anchor = '', count = ''] = payload.toString('latin1').split(' ');
        const [life = '', number = ''] = count.split(':');
        listener.anchored(parsePosition(id) ?? BEGINNING, anchor, { life, number: Number(number) });
      } else if (topic === '@settle') listener.settle(positionIn(payload));
      else if (topic === '@settled') listener.settled(settledIn(payload));
      else {
        const [id = '', , , place = '-'] = payload.toString('latin1', 0, HEADER).split(' ', 4);
        const position = parsePosition(id);
        if (position !== undefined) listener.recorded(position, parsePlace(place));
      }
      return;
    }
    // A channel that two patterns match is heard twice: the first pattern counts.
    if (UNCOUNTED.test(name) || this.#names.patternOf(name) !== pattern) return;
    this.#onName(name);
    listener.plain(this.#names.channelOf(name), payload);
  }
}

/** The id up to which everything is recorded: `upto <id>`. */
export function settledIn(payload: Buffer): Position {
  return parsePosition(/^upto (\d+)$/.exec(payload.toString('latin1'))?.[1] ?? '') ?? BEGINNING;
}

function positionIn(payload: Buffer): Position {
  return parsePosition(payload.toString('latin1')) ?? BEGINNING;
}

/** Of channels and what is wrong with them, in turn. */
function failuresOf(words: (number | string)[]): Failure[] {
  const failures: Failure[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    failures.push({ channel: String(words[i]), reason: String(words[i + 1]) });
  }
  return failures;
}

function formatCount({ life, number }: Count): string {
  return `${life}:${number}`;
}
