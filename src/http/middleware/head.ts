import type { Context, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { isTooLong, MAX_HEAD } from '../head-size.ts';

/** Checks the head of a request for errors that Node does not find, or answers without a body and a log line. */
export async function requireHead(ctx: Context, next: Next): Promise<void> {
  if (isTooLong(ctx.req)) {
    throw new SisyphusError('headers_too_large', `expected up to ${MAX_HEAD} bytes of headers`);
  }
  if (ctx.req.httpVersion === '1.1' && ctx.req.headers.host === undefined) {
    throw new SisyphusError('bad_request', 'the header Host is missing: expected one with HTTP/1.1 (RFC 9112, 3.2)');
  }
  // Koa would find it only when it looks for the path, and the request would be answered 500.
  if (!isReadable(ctx.url)) {
    throw new SisyphusError(
      'bad_request',
      'the address of the request cannot be read: expected a path, such as /publish',
    );
  }
  await next();
}

/** Whether a request target has a path: it begins with one, or is a whole address, which only proxies receive; or it is the `*` of OPTIONS. */
function isReadable(target: string): boolean {
  return target.startsWith('/') || target === '*' || URL.canParse(target);
}
