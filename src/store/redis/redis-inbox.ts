import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Inbox, Letter } from '../../poll/inbox.ts';
import { callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { isGroupKnown, isGroupUnknown, rethrow } from './redis-error.ts';

/** The consumer group of the gateways. An application that reads the inbox itself may use it, too. */
const GROUP = 'inbox';
/** Entries that are taken over in one call. */
const CHUNK = 200;

type Entry = [id: string, fields: string[]];

export interface RedisInboxOptions {
  commands: Redis;
  /** A connection for reads that wait. */
  waiting: Redis;
  keys: Keys;
}

/** The inbox as a stream in Redis with a consumer group: what is taken and not acknowledged stays pending. */
export class RedisInbox implements Inbox {
  readonly #commands: Redis;
  readonly #waiting: Redis;
  readonly #keys: Keys;
  readonly #key: string;
  /** The name of this gateway in the group. */
  readonly #consumer = randomBytes(8).toString('hex');

  constructor({ commands, waiting, keys }: RedisInboxOptions) {
    this.#commands = commands;
    this.#waiting = waiting;
    this.#keys = keys;
    this.#key = `${keys.declared}:inbox`;
  }

  async lease(ms: number): Promise<boolean> {
    return Number(await this.#call(['lease', this.#consumer, ms])) === 1;
  }

  async takeOver(): Promise<Letter[]> {
    await this.#createGroup();
    const letters: Letter[] = [];
    for (let start = '-'; ; ) {
      const pending = await this.#pending(start, CHUNK);
      const ids = pending.map(([id]) => id);
      if (ids.length === 0) return letters;
      await this.#commands.xclaim(this.#key, GROUP, this.#consumer, 0, ...ids, 'JUSTID').catch(rethrow);
      for (const [id, , , tries] of pending) {
        const [entry] = (await this.#commands.xrange(this.#key, id, id).catch(rethrow)) as Entry[];
        if (entry) letters.push(letterOf(entry, tries, false));
        else await this.#commands.xack(this.#key, GROUP, id).catch(rethrow);
      }
      start = `(${ids.at(-1)}`;
    }
  }

  async next(count: number, wait: number): Promise<Letter[]> {
    const read = (): Promise<unknown> =>
      this.#waiting.xreadgroup(
        'GROUP',
        GROUP,
        this.#consumer,
        'COUNT',
        count,
        'BLOCK',
        wait,
        'STREAMS',
        this.#key,
        '>',
      );
    const answer = await read().catch(async (error: Error) => {
      // Somebody has deleted the stream, or Redis has lost its memory.
      if (!isGroupUnknown(error)) return rethrow(error);
      await this.#createGroup();
      return null;
    });
    const [[, entries] = ['', []]] = (answer ?? []) as [string, Entry[]][];
    return entries.map((entry) => letterOf(entry, 1, true));
  }

  async count({ entry, tries }: Letter): Promise<void> {
    const args = ['RETRYCOUNT', tries, 'JUSTID'] as const;
    await this.#commands.xclaim(this.#key, GROUP, this.#consumer, 0, entry, ...args).catch(rethrow);
  }

  async done({ entry, session }: Letter, answer: string): Promise<void> {
    const sending: [string, ...string[]][] =
      answer === '' ? [] : [['FCALL', 'sisyphus_poll_send', '1', this.#keys.declared, session, answer]];
    await this.#end(entry, sending);
  }

  async isPending({ entry }: Letter): Promise<boolean> {
    return (await this.#pending(entry, 1, entry)).length > 0;
  }

  async bury({ entry, id, time, session, user, data, tries }: Letter, reason: string): Promise<void> {
    const fields = { id, time: `${time}`, session, user, data, tries: `${tries}`, reason };
    const args = Object.entries(fields).flat();
    await this.#end(entry, [['FCALL', 'sisyphus_inbox', '1', this.#keys.declared, 'bury', ...args]]);
  }

  async tidy(): Promise<void> {
    await this.#createGroup();
    const groups = (await this.#commands.call('XINFO', 'GROUPS', this.#key).catch(rethrow)) as unknown[];
    const ends: string[] = [];
    for (const group of groups.map(fieldsOf)) {
      // The group that the gateways have made, and that nobody uses.
      if (group.get('consumers') === 0 && group.get('last-delivered-id') === '0-0') continue;
      const [oldest] =
        Number(group.get('pending')) > 0 ? await this.#pending('-', 1, '+', String(group.get('name'))) : [];
      ends.push(oldest?.[0] ?? after(String(group.get('last-delivered-id'))));
    }
    if (ends.length > 0) await this.#commands.xtrim(this.#key, 'MINID', ends.sort(compareIds)[0]!).catch(rethrow);
  }

  /** Does what is given and ends the entry, in one step. */
  async #end(entry: string, calls: [string, ...string[]][]): Promise<void> {
    const change = this.#commands.multi();
    for (const [command, ...args] of calls) change.call(command, ...args);
    change.xack(this.#key, GROUP, entry).xdel(this.#key, entry);
    const results = await change.exec().catch(rethrow);
    const failed = results?.find(([error]) => error);
    if (failed) rethrow(failed[0]);
  }

  async #pending(start: string, count: number, end = '+', group = GROUP): Promise<[string, string, number, number][]> {
    const found = await this.#commands.xpending(this.#key, group, start, end, count).catch(rethrow);
    return found as [string, string, number, number][];
  }

  async #createGroup(): Promise<void> {
    const made = this.#commands.xgroup('CREATE', this.#key, GROUP, '0', 'MKSTREAM');
    await made.catch((error: Error) => {
      if (!isGroupKnown(error)) rethrow(error);
    });
  }

  #call(args: (string | number)[]): Promise<unknown> {
    return callFunction(this.#commands, this.#keys, 'sisyphus_inbox', args).catch(rethrow);
  }
}

function letterOf([entry, flat]: Entry, tries: number, isCounted: boolean): Letter {
  const fields = fieldsOf(flat);
  const text = (name: string): string => String(fields.get(name) ?? '');
  const [id, session, user, data] = [text('id'), text('session'), text('user'), text('data')];
  return { entry, id, time: Number(text('time')), session, user, data, tries, isCounted };
}

/** Names and values in turn, or the pairs of a map. */
function fieldsOf(flat: unknown): Map<string, unknown> {
  if (!Array.isArray(flat)) return new Map(Object.entries(flat as object));
  return new Map(flat.flatMap((name, i) => (i % 2 === 0 ? [[String(name), flat[i + 1]] as const] : [])));
}

function after(id: string): string {
  const [ms = '0', number = '0'] = id.split('-');
  return `${ms}-${BigInt(number) + 1n}`;
}

function compareIds(one: string, other: string): number {
  const [a, b] = [one, other].map((id) => id.split('-').map(Number));
  return a![0]! - b![0]! || a![1]! - b![1]!;
}
