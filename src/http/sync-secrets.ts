import type { Context } from 'koa';
import type { SecretList } from '../config/secret-list.ts';
import { SisyphusError } from '../errors.ts';
import { digestOf, isSame } from '../secret-digest.ts';
import { isTimeToken } from '../sync/time-token.ts';
import type { ClientLimits } from './client-limits.ts';
import { streamRequestOf } from './stream-request.ts';

/** The secrets of one direction of a dictionary: those in its list, where the name of a publish secret stands for that one. */
export function secretsOf(list: readonly string[], known: SecretList | undefined): string[] {
  return list.map((text) => known?.secrets.find(({ name }) => name === text)?.text ?? text);
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
  const [, bearer] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
  const shown = bearer === undefined ? undefined : digestOf(bearer);
  let isRight = false;
  // Each one is compared, so that the time does not tell which one fits.
  for (const secret of secrets) {
    if (shown ? isSame(digestOf(secret), shown) : hmac !== undefined && isTimeToken(hmac, secret, text)) isRight = true;
  }
  if (isRight) return;
  if (shown || hmac !== undefined) await limits.failed(counted, 'signature');
  throw new SisyphusError(
    'wrong_secret',
    secrets.length === 0
      ? 'this is off: expected a secret for it in SISYPHUS_COLLECTIONS'
      : 'the secret is missing or wrong: expected Authorization: Bearer <secret>, or hmac=<unix time>:<HMAC-SHA256> of now',
  );
}
