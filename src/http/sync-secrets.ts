import type { Context } from 'koa';
import { SisyphusError } from '../errors.ts';
import type { PublishSecrets } from '../publish-secrets.ts';
import { digestOf, isSame } from '../secret-digest.ts';
import { isTimeToken } from '../sync/time-token.ts';
import type { ClientLimits } from './client-limits.ts';
import { streamRequestOf } from './stream-request.ts';

/** The secrets of one direction of a dictionary: those in its list, where the name of a publish secret stands for that one. */
export function secretsOf(list: readonly string[], known: PublishSecrets): string[] {
  return list.map((text) => known.textOf(text) ?? text);
}

/** Whether the request shows one of the secrets as a bearer. Each one is compared, so that the time does not tell which one fits. */
export function showsOne(ctx: Context, secrets: readonly string[]): boolean {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
  if (bearer === undefined) return false;
  const shown = digestOf(bearer);
  return secrets.filter((secret) => isSame(digestOf(secret), shown)).length > 0;
}

/**
 * Checks that the request shows one of the secrets: as `Authorization: Bearer`, or by the protocol's own `hmac`.
 *
 * @param text what the hmac signs
 * @throws SisyphusError `wrong_secret`, `too_many_requests`
 */
export async function requireSecret(
  ctx: Context,
  secrets: readonly string[],
  { text, hmac }: { text: string; hmac: string | undefined },
  limits: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed'>,
): Promise<void> {
  const counted = limits.counted(streamRequestOf(ctx.req));
  const wait = await limits.waitOf(counted);
  if (wait > 0) {
    ctx.set('Retry-After', String(Math.ceil(wait / 1000)));
    throw new SisyphusError(
      'too_many_requests',
      'SISYPHUS_MAX_FAILURES is reached: expected a request after Retry-After',
    );
  }
  if (showsOne(ctx, secrets)) return;
  if (hmac !== undefined && secrets.some((secret) => isTimeToken(hmac, secret, text))) return;
  if (ctx.get('Authorization') !== '' || hmac !== undefined) await limits.failed(counted, 'signature');
  throw new SisyphusError(
    'wrong_secret',
    secrets.length === 0
      ? 'this is off: expected a secret for it in SISYPHUS_COLLECTIONS'
      : 'the secret is missing or wrong: expected Authorization: Bearer <secret>, or hmac=<unix time>:<HMAC-SHA256> of now',
  );
}
