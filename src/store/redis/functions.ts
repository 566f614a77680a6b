import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/** From src and from dist alike; the files are the source of the library, and of nothing else. */
const FOLDER = new URL('../../../src/store/redis/lua/', import.meta.url);
/** In the order in which they need each other; the functions themselves come last. */
const FILES = [
  ...['names', 'clock', 'rights', 'append', 'once', 'recorder'],
  ...['publish', 'change', 'read-rights', 'read', 'mark', 'configure', 'anchor', 'lease', 'record', 'version'],
];

const LIBRARY = `#!lua name=sisyphus\n${FILES.map((name) => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')).join('\n')}`;
/** As `sisyphus_version` answers. */
const VERSION = Number(/^local VERSION = (\d+)$/m.exec(LIBRARY)?.[1]);

/** Declared with every call: clients of a cluster and managed servers refuse functions without keys. */
const KEY = 'sisyphus:{0}';

export type Argument = string | number | Buffer;

/** Makes sure that Redis has the library, in this version or a later one. */
export async function loadFunctions(redis: Redis): Promise<void> {
  const version = await redis.call('FCALL_RO', 'sisyphus_version', '1', KEY).catch((error: Error) => {
    if (isMissing(error)) return 0;
    throw error;
  });
  if (Number(version) < VERSION) await redis.call('FUNCTION', 'LOAD', 'REPLACE', LIBRARY);
}

/** Calls a function of the library; where FUNCTION FLUSH or an empty restart has taken it away, loads it and calls again. */
export async function callFunction(redis: Redis, name: string, args: Argument[]): Promise<unknown> {
  return withLibrary(redis, () => redis.fcall(name, 1, KEY, ...args));
}

/** Calls a function that writes nothing, as above; texts are answered as bytes. */
export async function readFunction(redis: Redis, name: string, args: Argument[]): Promise<unknown> {
  return withLibrary(redis, () => redis.callBuffer('FCALL_RO', name, 1, KEY, ...args));
}

async function withLibrary(redis: Redis, call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (!isMissing(error)) throw error;
    await loadFunctions(redis);
    return call();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Function not found');
}
