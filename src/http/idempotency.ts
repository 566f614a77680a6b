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
  // An empty one is a mistake of whoever made the request, who would take it for safe to send again.
  const key = ctx.req.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new SisyphusError('bad_request', 'Idempotency-Key: expected 1 to 255 visible ASCII characters');
  }
  const hash = createHash('sha256')
    .update(`${ctx.path}\n${ctx.get('Content-Type')}\n`)
    .update(body);
  return { key, fingerprint: hash.digest('base64url') };
}
