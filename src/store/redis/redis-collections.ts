import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Changed, Collections, Once, Snapshot } from '../../collection/collections.ts';
import { BEGINNING, parsePosition } from '../../message/position.ts';
import { askTwice } from './ask-twice.ts';
import { type Argument, callFunction, readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { differenceOf } from './list-difference.ts';
import { hasChanged } from './redis-error.ts';

/** How long an `Idempotency-Key` is remembered (ms). */
const REMEMBERED = 300_000;
/** How long the gateway's own key is remembered (ms): longer than it takes to ask again. */
const REMEMBERED_FOR_RETRY = 30_000;

/** A list of more characters than this is compared in this process. */
const LARGE = 256 * 1024;
/** How often a snapshot is read for that; if there are other writers each time, Redis compares the list. */
const MOST_LOOKS = 3;
/** The epoch of a store that has no clock. */
const NO_EPOCH = '0';

export interface RedisCollectionsOptions {
  commands: Redis;
  /** The connection for snapshots: these calls must not keep records and leases waiting. */
  replays: Redis;
  keys: Keys;
}

type Answer = [epoch: Buffer, revision: number, id: Buffer, key: Buffer, isKnown: number, records: Buffer];

/** Collections in Redis, through the functions of the library. */
export class RedisCollections implements Collections {
  readonly #options: RedisCollectionsOptions;

  constructor(options: RedisCollectionsOptions) {
    this.#options = options;
  }

  async put(name: string, list: string, once?: Once): Promise<Changed> {
    for (let look = 0; list.length > LARGE && look < MOST_LOOKS; look++) {
      const { epoch, revision, key, ...rest } = await this.read(name);
      const difference = differenceOf({ epoch, revision, key, ...rest }, list);
      // An empty batch changes nothing, and is answered with the last change.
      if (difference === '') return this.#change('patch', name, '[]', once);
      const args = [name, epoch, revision, key, difference];
      const changed = await this.#call('sisyphus_change_records', once, args).catch((error: unknown) => {
        if (hasChanged(error)) return undefined;
        throw error;
      });
      if (changed) return changed;
    }
    return this.#change('put', name, list, once);
  }

  patch(name: string, batch: string, once?: Once): Promise<Changed> {
    return this.#change('patch', name, batch, once);
  }

  async read(name: string, known?: Snapshot): Promise<Snapshot> {
    const { replays, keys } = this.#options;
    const args = known ? [name, known.epoch, known.revision] : [name];
    const ask = async (): Promise<Answer> =>
      (await askTwice(replays, () => readFunction(replays, keys, 'sisyphus_snapshot_ro', args))) as Answer;
    let answer = await ask();
    if (String(answer[0]) === NO_EPOCH) {
      // The store was emptied, and nobody has written since. An epoch begins with the life of the store. If it takes no writes, nothing begins.
      await callFunction(replays, keys, 'sisyphus_position', []).catch(() => undefined);
      answer = await ask();
    }
    const [epoch, revision, id, key, isKnown, records] = answer;
    return {
      epoch: String(epoch),
      revision: Number(revision),
      id: parsePosition(String(id)) ?? BEGINNING,
      key: String(key),
      records: isKnown === 1 && known ? known.records : inOrder(String(records)),
    };
  }

  async expire(name: string): Promise<number> {
    const { commands, keys } = this.#options;
    return Number(await askTwice(commands, () => callFunction(commands, keys, 'sisyphus_expire_records', [name])));
  }

  #change(verb: 'put' | 'patch', name: string, text: string, once: Once | undefined): Promise<Changed> {
    return this.#call('sisyphus_change_collection', once, [verb, name, text]);
  }

  async #call(fn: string, once: Once | undefined, rest: Argument[]): Promise<Changed> {
    const { commands, keys } = this.#options;
    const own = [`retry:${randomUUID()}`, '', REMEMBERED_FOR_RETRY] as const;
    const [key, fingerprint, ms] = once ? ([`request:${once.key}`, once.fingerprint, REMEMBERED] as const) : own;
    const args = [key, fingerprint, ms, ...rest];
    const answer = await askTwice(commands, () => callFunction(commands, keys, fn, args));
    const [id = '', revision, created, updated, destroyed] = answer as string[];
    return {
      id: parsePosition(id) ?? BEGINNING,
      revision: Number(revision),
      created: Number(created),
      updated: Number(updated),
      destroyed: Number(destroyed),
    };
  }
}

/** The records of lines `<number> <record>`, in the order of their numbers. */
function inOrder(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n').map((line): [number, string] => {
    const space = line.indexOf(' ');
    return [Number(line.slice(0, space)), line.slice(space + 1)];
  });
  return lines.sort(([a], [b]) => a - b).map(([, record]) => record);
}
