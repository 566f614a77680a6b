import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { isAlreadyLoaded, isMissing, refusesWrites } from './redis-error.ts';

/** From src and from dist alike; the files are the source of the library, and of nothing else. */
const FOLDER = new URL('../../../src/store/redis/lua/', import.meta.url);
/** In the order in which they need each other; the functions themselves come last. */
const FILES = [
  ...[
    'names',
    'permission',
    'glob',
    'checks',
    'gaps',
    'clock',
    'damage',
    'channel-gaps',
    'rights',
    'length',
    'growth',
    'channel',
    'append',
    'once',
    'recorder',
  ],
  ...['publish', 'change', 'read-rights', 'rights-ro', 'read', 'mark', 'mark-ro', 'lost'],
  ...['configure', 'anchor', 'lease', 'record', 'version'],
];

const LIBRARY = `#!lua name=sisyphus\n${FILES.map((name) => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')).join('\n')}`;
/** The Redis commands that the library uses. */
export const COMMANDS = [...new Set([...LIBRARY.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name!))];
/** As `sisyphus_version` answers. */
const VERSION = Number(/^local VERSION = (\d+)$/m.exec(LIBRARY)?.[1]);

export type Argument = string | number | Buffer;

/** A function that was refused because it writes is called again after so long (ms), about once in each self-check. */
const AGAIN = 500;

/** Makes sure that Redis has the library, in this version or a later one. One library serves all installations of a server. */
export async function loadFunctions(redis: Redis, keys: Keys): Promise<void> {
  let version = await readVersion(redis, keys);
  if (version === 0) {
    try {
      await redis.call('FUNCTION', 'LOAD', LIBRARY);
      return;
    } catch (error) {
      // Another gateway was faster: what it has loaded counts PUBLISHes already, and would begin anew.
      if (!isAlreadyLoaded(error)) throw error;
      version = await readVersion(redis, keys);
    }
  }
  if (version < VERSION) await replaceFunctions(redis, keys);
}

/**
 * The count of what the library has published is kept in the library, and in the store of each installation as of its last
 * message. An anchor stores it in the moment of the change; else what others published since then would look like plain PUBLISHes.
 */
async function replaceFunctions(redis: Redis, keys: Keys): Promise<void> {
  const load = ['FUNCTION', 'LOAD', 'REPLACE', LIBRARY] as const;
  const change = redis.multi().call('FCALL', 'sisyphus_anchor', '1', keys.declared, 'replaced');
  // Where the ACL denies transactions the version tells.
  await change
    .call(...load)
    .exec()
    .catch(() => undefined);
  if ((await readVersion(redis, keys)) < VERSION) await redis.call(...load);
}

/** Whether Redis has the library already, in this version or a later one. */
export async function hasFunctions(redis: Redis, keys: Keys): Promise<boolean> {
  return (await readVersion(redis, keys)) >= VERSION;
}

/** 0 where there is no library. */
async function readVersion(redis: Redis, keys: Keys): Promise<number> {
  try {
    return Number(await redis.call('FCALL_RO', 'sisyphus_version', '1', keys.declared));
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** The same, where Redis may take no writes, or none of ours: what somebody else has loaded will do, if there is anything. */
export async function loadFunctionsIfAllowed(redis: Redis, keys: Keys): Promise<void> {
  await loadFunctions(redis, keys).catch((error: unknown) => {
    if (!refusesWrites(error)) throw error;
  });
}

/** Calls a function of the library; where FUNCTION FLUSH or an empty restart has taken it away, loads it and calls again. */
export async function callFunction(redis: Redis, keys: Keys, name: string, args: Argument[]): Promise<unknown> {
  return withLibrary(redis, keys, () => redis.fcall(name, 1, keys.declared, ...args));
}

/** Calls a function that writes nothing, as above; texts are answered as bytes. */
export async function readFunction(redis: Redis, keys: Keys, name: string, args: Argument[]): Promise<unknown> {
  return withLibrary(redis, keys, () => redis.callBuffer('FCALL_RO', name, 1, keys.declared, ...args));
}

async function withLibrary(redis: Redis, keys: Keys, call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (!isMissing(error)) throw error;
    await loadFunctions(redis, keys);
    return call();
  }
}

/**
 * A function that readers need and that may write, with its twin `<name>_ro`, which does not: Redis refuses the first as a
 * whole while it takes no writes (a replica, a full disk, too few replicas), whether it would write or not.
 */
export class ReadableFunction {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #name: string;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, keys: Keys, name: string) {
    this.#redis = redis;
    this.#keys = keys;
    this.#name = name;
  }

  /** `refusal`: why it was the twin that answered, if Redis was asked. */
  async call(
    args: Argument[],
    readOnlyArgs: Argument[],
  ): Promise<{ answer: unknown; isReadOnly: boolean; refusal?: unknown }> {
    let refusal: unknown;
    if (performance.now() - this.#refusedAt > AGAIN) {
      try {
        return { answer: await callFunction(this.#redis, this.#keys, this.#name, args), isReadOnly: false };
      } catch (error) {
        if (!refusesWrites(error)) throw error;
        refusal = error;
        this.#refusedAt = performance.now();
      }
    }
    const { declared } = this.#keys;
    const twin = this.#redis.call('FCALL_RO', `${this.#name}_ro`, '1', declared, ...readOnlyArgs);
    const answer = await twin.catch((error) => {
      // Of a library that is older than the twin: what was refused first says more.
      throw isMissing(error) ? (refusal ?? error) : error;
    });
    return { answer, isReadOnly: true, refusal };
  }
}
