import { setTimeout as wait } from 'node:timers/promises';
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import type { Tell } from './claims.ts';

/** How old the keys may become before they are read again (ms). Until then a key that the issuer has withdrawn still counts. */
const REFRESH = 300_000;
/** The pause between two attempts to read them, if they cannot be read (ms). */
const AGAIN = 10_000;
/** If a token names a key that is not known, the keys are read at once, but at most so often (ms): anybody can make up names. */
const COOLDOWN = 2000;

/** The pause after an attempt that failed (ms): shorter than a client may wait for its identity. */
const AFTER_FAILURE = 500;
/** The largest answer that is read (bytes): some 2,500 keys of RSA. */
const MAX_ANSWER = 1_048_576;

/** The keys cannot be read, so that it is not known whether a token is good. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/**
 * The keys that an issuer publishes (RFC 7517, 5). They are read when they are first needed, when a token names an unknown one, and again
 * every few minutes. If they cannot be read again, the known ones stay: a token that was good a moment ago still is.
 *
 * @param cooldown see `COOLDOWN` (ms)
 */
export function jwks(url: URL, tell: Tell, cooldown = COOLDOWN): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(url, {
    cooldownDuration: cooldown,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: withPauses(fetchKeys),
  });
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  const isDue = (now: number): boolean => now - readAt >= REFRESH && now - triedAt >= AGAIN && !remote.reloading;

  const refresh = (): void => {
    const now = performance.now();
    // Without any keys the first token has them read. With this age `fresh` says whether they were ever read.
    if (!remote.fresh || !isDue(now)) return;
    triedAt = now;
    remote.reload().then(
      () => {
        readAt = performance.now();
      },
      (error: unknown) =>
        tell(`the keys at ${url.host} cannot be read again: ${(error as Error).message}; the known ones still count`),
    );
  };

  return async (header, token) => {
    refresh();
    if (!remote.fresh) readAt = performance.now();
    try {
      return await remote(header, token);
    } catch (error) {
      // Any other error is about the token, or about one key, not about all of them.
      if (!(error instanceof KeysUnavailable)) throw error;
      throw new KeysUnavailable(`the keys at ${url.host} cannot be read: ${error.message}`, { cause: error });
    }
  };
}

type Fetch = (address: string, options: RequestInit) => Promise<Response>;

/**
 * Reports each failure as `KeysUnavailable`. After a failure the next attempt waits, and the clients that need the keys wait with it,
 * because any token with an unknown key causes an attempt.
 */
function withPauses(read: Fetch): Fetch {
  let failedAt = Number.NEGATIVE_INFINITY;
  return async (address, options) => {
    const pause = failedAt + AFTER_FAILURE - performance.now();
    if (pause > 0) await wait(pause, undefined, { ref: false });
    try {
      return await read(address, options);
    } catch (error) {
      failedAt = performance.now();
      throw new KeysUnavailable(reasonOf(error), { cause: error });
    }
  };
}

/** Reads the whole answer, up to `MAX_ANSWER`. An answer that is not read is cancelled, because it would keep its connection open. */
async function fetchKeys(address: string, options: RequestInit): Promise<Response> {
  const response = await fetch(address, options);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the answer has the status ${response.status}: expected 200`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > MAX_ANSWER) throw new Error(`the answer is larger than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  if (isKeySet(JSON.parse(text))) return new Response(text);
  throw new Error('the answer is no set of keys: expected {"keys":[{…}]}');
}

function isKeySet(value: unknown): boolean {
  const { keys } = (value ?? {}) as { keys?: unknown };
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null && !Array.isArray(key));
}

/** `fetch` says `fetch failed`, and the cause says why. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
