import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';

/** From src and from dist alike; the files are the source of the library, and of nothing else. */
const FOLDER = new URL('../../../src/store/redis/lua/', import.meta.url);
/** In the order in which they need each other; the functions themselves come last. */
const FILES = [
  ...[
    'names',
    'permission',
    'glob',
    'checks',
    'clock',
    'damage',
    'channel-gaps',
    'rights',
    'length',
    'channel',
    'append',
    'once',
    'recorder',
  ],
  ...['publish', 'change', 'read-rights', 'read', 'mark', 'configure', 'anchor', 'lease', 'record', 'version'],
];

const LIBRARY = `#!lua name=sisyphus\n${FILES.map((name) => readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8')).join('\n')}`;
/** As `sisyphus_version` answers. */
const VERSION = Number(/^local VERSION = (\d+)$/m.exec(LIBRARY)?.[1]);

export type Argument = string | number | Buffer;

/** Makes sure that Redis has the library, in this version or a later one. One library serves all installations of a server. */
export async function loadFunctions(redis: Redis, keys: Keys): Promise<void> {
  let version = await readVersion(redis, keys);
  if (version === 0) {
    try {
      await redis.call('FUNCTION', 'LOAD', LIBRARY);
      return;
    } catch (error) {
      // Another gateway was faster: what it has loaded counts PUBLISHes already, and would begin anew.
      if (!(error as Error).message.includes('already exists')) throw error;
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

/** 0 where there is no library. */
async function readVersion(redis: Redis, keys: Keys): Promise<number> {
  try {
    return Number(await redis.call('FCALL_RO', 'sisyphus_version', '1', keys.declared));
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
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

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Function not found');
}
