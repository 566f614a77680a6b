import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { refusesWrites } from './redis-error.ts';

/** From src and from dist alike; the files are the source of the library, and of nothing else. */
const FOLDER = new URL('../../../src/store/redis/lua/', import.meta.url);
/** In the order in which they need each other; the functions themselves come last. */
const FILES = [
  ...['names', 'clock', 'rights', 'append', 'once', 'recorder'],
  ...['publish', 'change', 'read-rights', 'rights-ro', 'mark', 'mark-ro'],
  ...['configure', 'anchor', 'lease', 'record', 'version'],
];

const LIBRARY = `#!lua name=sisyphus\n${FILES.map((name) => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')).join('\n')}`;
/** The Redis commands that the library uses. */
export const COMMANDS = [...new Set([...LIBRARY.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name!))];
/** As `sisyphus_version` answers. */
const VERSION = Number(/^local VERSION = (\d+)$/m.exec(LIBRARY)?.[1]);

/** Declared with every call: clients of a cluster and managed servers refuse functions without keys. */
const KEY = 'sisyphus:{0}';

export type Argument = string | number | Buffer;

/** A function that was refused because it writes is called again after so long (ms), about once in each self-check. */
const AGAIN = 500;

/** Makes sure that Redis has the library, in this version or a later one. */
export async function loadFunctions(redis: Redis): Promise<void> {
  const version = await redis.call('FCALL_RO', 'sisyphus_version', '1', KEY).catch((error: Error) => {
    if (isMissing(error)) return 0;
    throw error;
  });
  if (Number(version) < VERSION) await redis.call('FUNCTION', 'LOAD', 'REPLACE', LIBRARY);
}

/** The same, where Redis may take no writes, or none of ours: what somebody else has loaded will do, if there is anything. */
export async function loadFunctionsIfAllowed(redis: Redis): Promise<void> {
  await loadFunctions(redis).catch((error: unknown) => {
    if (!refusesWrites(error)) throw error;
  });
}

/** Calls a function of the library; where FUNCTION FLUSH or an empty restart has taken it away, loads it and calls again. */
export async function callFunction(redis: Redis, name: string, args: Argument[]): Promise<unknown> {
  try {
    return await redis.fcall(name, 1, KEY, ...args);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await loadFunctions(redis);
    return redis.fcall(name, 1, KEY, ...args);
  }
}

/**
 * A function that readers need and that may write, with its twin `<name>_ro`, which does not: Redis refuses the first as a
 * whole while it takes no writes (a replica, a full disk, too few replicas), whether it would write or not.
 */
export class ReadableFunction {
  readonly #redis: Redis;
  readonly #name: string;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, name: string) {
    this.#redis = redis;
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
        return { answer: await callFunction(this.#redis, this.#name, args), isReadOnly: false };
      } catch (error) {
        if (!refusesWrites(error)) throw error;
        refusal = error;
        this.#refusedAt = performance.now();
      }
    }
    const answer = await this.#redis.call('FCALL_RO', `${this.#name}_ro`, '1', KEY, ...readOnlyArgs).catch((error) => {
      // Of a library that is older than the twin: what was refused first says more.
      throw isMissing(error) ? (refusal ?? error) : error;
    });
    return { answer, isReadOnly: true, refusal };
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Function not found');
}
