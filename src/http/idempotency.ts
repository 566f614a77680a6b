import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Idempotency } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';

/** By `Idempotency-Key`: the same request again is one with the same path, type and body. @throws SisyphusError `bad_request` */
export function idempotencyOf(ctx: Context, body: Buffer): Idempotency | undefined {
  const key = ctx.get('Idempotency-Key');
  if (key === '') return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new SisyphusError('bad_request', 'Idempotency-Key: 1 to 255 printable ASCII characters are right');
  }
  const hash = createHash('sha256')
    .update(`${ctx.path}\n${ctx.get('Content-Type')}\n`)
    .update(body);
  return { key, fingerprint: hash.digest('base64url') };
}
