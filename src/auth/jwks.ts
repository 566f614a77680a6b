import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { Tell } from './claims.ts';

/** How old the keys may become before they are read again (ms). Until then a key that the issuer has withdrawn still counts. */
const REFRESH = 300_000;
/** The pause between two attempts to read them, if they cannot be read (ms). */
const AGAIN = 10_000;
/** If a token names a key that is not known, the keys are read at once, but at most so often (ms): anybody can make up names. */
const COOLDOWN = 2000;

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
  const remote = createRemoteJWKSet(url, { cooldownDuration: cooldown, cacheMaxAge: Number.POSITIVE_INFINITY });
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
        tell(`the keys at ${url.host} cannot be read again: ${reasonOf(error)}; the known ones still count`),
    );
  };

  return async (header, token) => {
    refresh();
    if (!remote.fresh) readAt = performance.now();
    try {
      return await remote(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      // The header names an algorithm that no key can be for.
      if (error instanceof errors.JOSENotSupported) throw error;
      throw new KeysUnavailable(`the keys at ${url.host} cannot be read: ${reasonOf(error)}`, { cause: error });
    }
  };
}

/** `fetch` says `fetch failed`, and the cause says why. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
