import { promisify } from 'node:util';
import { deflate, gzip } from 'node:zlib';
import type { Context } from 'koa';

const CODERS = { gzip: promisify(gzip), deflate: promisify(deflate) };

/** Answers with text as `/sock.it/` does: never cached, and compressed if the client accepts that. */
export async function answerPlainly(ctx: Context, text: string): Promise<void> {
  ctx.set('Content-Type', 'text/plain; charset=utf-8');
  ctx.set('Cache-Control', 'no-store, no-cache, must-revalidate, max-age=0');
  ctx.vary('Accept-Encoding');
  const coding = text === '' ? false : ctx.acceptsEncodings('gzip', 'deflate', 'identity');
  if (coding !== 'gzip' && coding !== 'deflate') {
    ctx.body = text;
    return;
  }
  ctx.body = await CODERS[coding](text);
  ctx.set('Content-Encoding', coding);
  // Koa takes a buffer for another type, unless one is set behind the body.
  ctx.set('Content-Type', 'text/plain; charset=utf-8');
}
