import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { LIBRARY, VERSION } from './library.ts';
import { isAlreadyLoaded, isMissing, refusesWrites } from './redis-error.ts';

export type Argument = string | number | Buffer;

/** A function that was refused because it writes is called again after so long (ms), about once in each self-check. */
const AGAIN = 500;

/** Makes sure that Redis has the library, in the version of this gateway or a later one. One library serves all installations of a server. */
export async function loadFunctions(redis: Redis, keys: Keys): Promise<void> {
  let version = await readVersion(redis, keys);
  if (version === 0) {
    try {
      await redis.call('FUNCTION', 'LOAD', LIBRARY);
      return;
    } catch (error) {
      // Another gateway was faster. Its library counts PUBLISHes already, and ours would begin the count again.
      if (!isAlreadyLoaded(error)) throw error;
      version = await readVersion(redis, keys);
    }
  }
  if (version < VERSION) await replaceFunctions(redis, keys);
}

/**
 * The library counts what it publishes, and each installation stores that count with its messages. The anchor stores it at the
 * moment of the change: without it, messages that other installations published since the last message would look like plain PUBLISHes.
 */
async function replaceFunctions(redis: Redis, keys: Keys): Promise<void> {
  const load = ['FUNCTION', 'LOAD', 'REPLACE', LIBRARY] as const;
  const change = redis.multi().call('FCALL', 'sisyphus_anchor', '1', keys.declared, 'replaced');
  // If the ACL denies transactions, the old library is still there, as its number shows.
  await change
    .call(...load)
    .exec()
    .catch(() => undefined);
  if ((await readVersion(redis, keys)) < VERSION) await redis.call(...load);
}

/** Whether Redis has the library already, with this number or a higher one. */
export async function hasFunctions(redis: Redis, keys: Keys): Promise<boolean> {
  return (await readVersion(redis, keys)) >= VERSION;
}

/** The number of the library in Redis; 0 if there is none. */
export async function readVersion(redis: Redis, keys: Keys): Promise<number> {
  try {
    return Number(await redis.call('FCALL_RO', 'sisyphus_version', '1', keys.declared));
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** As `loadFunctions`; but if Redis refuses writes, or only ours, the gateway uses the library that is there, if there is one. */
export async function loadFunctionsIfAllowed(redis: Redis, keys: Keys): Promise<void> {
  await loadFunctions(redis, keys).catch((error: unknown) => {
    if (!refusesWrites(error)) throw error;
  });
}

/** Calls a function of the library. If FUNCTION FLUSH or an empty restart has removed the library, loads it and calls again. */
export async function callFunction(redis: Redis, keys: Keys, name: string, args: Argument[]): Promise<unknown> {
  return withLibrary(redis, keys, () => redis.fcall(name, 1, keys.declared, ...args));
}

/** As `callFunction`, for a function that writes nothing; texts are answered as bytes. */
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

  /** `refusal`: why Redis refused the function that may write, if it was called. */
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
      // An older library may lack the twin: then the first refusal says more than this error.
      throw isMissing(error) ? (refusal ?? error) : error;
    });
    return { answer, isReadOnly: true, refusal };
  }
}
