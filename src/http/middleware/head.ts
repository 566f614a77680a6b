import type { Context, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { isTooLong, MAX_HEAD } from '../head-size.ts';

/** What Node would answer by itself, without a word in the log, or would not notice. */
export async function requireHead(ctx: Context, next: Next): Promise<void> {
  if (isTooLong(ctx.req)) {
    throw new SisyphusError('headers_too_large', `up to ${MAX_HEAD} bytes of headers are right`);
  }
  if (ctx.req.httpVersion === '1.1' && ctx.req.headers.host === undefined) {
    throw new SisyphusError('bad_request', 'the header Host is missing: expected one with HTTP/1.1 (RFC 9112, 3.2)');
  }
  await next();
}
