import type { Context, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { isTooLong, MAX_HEAD } from '../head-size.ts';

/** Checks of the head that Node leaves out, or answers without a body and a log line. */
export async function requireHead(ctx: Context, next: Next): Promise<void> {
  if (isTooLong(ctx.req)) {
    throw new SisyphusError('headers_too_large', `up to ${MAX_HEAD} bytes of headers are right`);
  }
  if (ctx.req.httpVersion === '1.1' && ctx.req.headers.host === undefined) {
    throw new SisyphusError('bad_request', 'the header Host is missing: expected one with HTTP/1.1 (RFC 9112, 3.2)');
  }
  await next();
}
