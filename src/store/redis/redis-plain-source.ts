import type { Redis } from 'ioredis';
import { compileGlob, firstMatch } from '../../glob.ts';
import { BEGINNING, parsePosition } from '../../message/position.ts';
import {
  type Count,
  FencedError,
  type LeaseAnswer,
  type LeaseRequest,
  type Place,
  type PlainListener,
  type PlainMessage,
  type PlainSource,
} from '../../recorder/plain-source.ts';
import { closeConnection, suspect } from './connection.ts';
import { type Argument, callFunction } from './functions.ts';
import { TOPIC_PREFIX } from './keys.ts';
import { toSisyphusError } from './redis-error.ts';
import type { Standing } from './standing.ts';

/** The first four fields of an envelope have no more characters. */
const HEADER = 100;
const RECORDS = `${TOPIC_PREFIX}*`;
const ANCHOR = `${TOPIC_PREFIX}@anchor`;
const RELEASED = `${TOPIC_PREFIX}@recorder`;

/** Hears plain channels and all records by pattern, on a connection of its own. */
export class RedisPlainSource implements PlainSource {
  readonly #hearing: Redis;
  readonly #url: string;
  readonly #commands: Redis;
  readonly #patterns: string[];
  readonly #standing: Standing;
  readonly #globs;

  constructor(hearing: Redis, commands: Redis, url: string, patterns: string[], standing: Standing) {
    this.#hearing = hearing;
    this.#standing = standing;
    this.#url = url;
    this.#commands = commands;
    this.#patterns = patterns;
    this.#globs = patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
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
    await answered(async () => {
      // As the hub does, before anything is subscribed.
      await this.#ask(this.#hearing, 'sisyphus_mark', [BEGINNING]);
      await this.#hearing.psubscribe(RECORDS, ...this.#patterns);
    });
  }

  async deafen(): Promise<void> {
    await answered(() => this.#hearing.punsubscribe(RECORDS, ...this.#patterns));
  }

  async anchor(name: string): Promise<void> {
    try {
      await answered(() => this.#ask(this.#hearing, 'sisyphus_anchor', [name]));
    } catch (error) {
      suspect(this.#hearing, this.#url, error);
      throw error;
    }
  }

  async lease({ name, ttl, from, fromCount, upTo, wanted, again }: LeaseRequest): Promise<LeaseAnswer> {
    const patterns = this.#patterns.join(' ');
    const { id, number, count } = upTo ?? { id: BEGINNING, number: 0, count: fromCount };
    const place = [id, number, formatCount(count)];
    const args = [name, ttl, patterns, from, formatCount(fromCount), ...place, wanted, again ? 'again' : '-'];
    const answer = (await answered(() => this.#ask(this.#commands, 'sisyphus_lease', args))) as [
      LeaseAnswer['role'],
      string,
      number,
    ];
    return { role: answer[0], place: { id: parsePosition(answer[1]) ?? BEGINNING, number: Number(answer[2]) } };
  }

  async record(name: string, messages: PlainMessage[]): Promise<{ recorded: number; skipped: number }> {
    const args: Argument[] = [name, formatCount(messages.at(-1)!.count)];
    for (const { id, number, channel, payload } of messages) args.push(id, number, channel, payload);
    const answer = await answered(() => this.#ask(this.#commands, 'sisyphus_record', args));
    const [recorded, skipped] = answer as number[];
    return { recorded: recorded ?? 0, skipped: skipped ?? 0 };
  }

  async close(): Promise<void> {
    await closeConnection(this.#hearing);
  }

  async #ask(redis: Redis, name: string, args: Argument[]): Promise<unknown> {
    try {
      const answer = await callFunction(redis, name, args);
      if (redis === this.#commands) this.#standing.worked('recording');
      this.#standing.wrote(redis === this.#commands ? 'commands' : 'recorder');
      return answer;
    } catch (error) {
      if ((error as Error).message.startsWith('FENCED')) throw new FencedError((error as Error).message);
      this.#standing.failed('recording', error);
      throw error;
    }
  }

  #hear(listener: PlainListener, pattern: string, name: string, payload: Buffer): void {
    if (pattern === RECORDS) {
      if (name === RELEASED) listener.released();
      else if (name === ANCHOR) {
        const [id = '', anchor = '', count = ''] = payload.toString('latin1').split(' ');
        const [life = '', number = ''] = count.split(':');
        listener.anchored(parsePosition(id) ?? BEGINNING, anchor, { life, number: Number(number) });
      } else {
        const [id = '', , , place = '-'] = payload.toString('latin1', 0, HEADER).split(' ', 4);
        const position = parsePosition(id);
        if (position !== undefined) listener.recorded(position, placeOf(place));
      }
      return;
    }
    // A channel that two patterns match is heard twice: the first pattern counts.
    if (name.startsWith(TOPIC_PREFIX) || firstMatch(this.#globs, name)?.pattern !== pattern) return;
    listener.plain(name, payload);
  }
}

/** What the driver said becomes an error of ours; that another gateway has the lease is none of the driver's. */
async function answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof FencedError ? error : toSisyphusError(error);
  }
}

function placeOf(text: string): Place | undefined {
  const [id = '', number = ''] = text.split('.');
  const position = parsePosition(id);
  return position === undefined ? undefined : { id: position, number: Number(number) };
}

function formatCount({ life, number }: Count): string {
  return `${life}:${number}`;
}
