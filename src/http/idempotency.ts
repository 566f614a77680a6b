import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Idempotency } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';

/**
 * Reads `Idempotency-Key`; `undefined` if the request has none. A request counts as repeated if its path, type and body are the same.
 *
 * @throws SisyphusError `bad_request`
 */
export function idempotencyOf(ctx: Context, body: Buffer): Idempotency | undefined {
  const key = ctx.get('Idempotency-Key');
  if (key === '') return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new SisyphusError('bad_request', 'Idempotency-Key: expected 1 to 255 printable ASCII characters');
  }
  const hash = createHash('sha256')
    .update(`${ctx.path}\n${ctx.get('Content-Type')}\n`)
    .update(body);
  return { key, fingerprint: hash.digest('base64url') };
}
