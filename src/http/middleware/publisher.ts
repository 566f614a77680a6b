import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, Middleware, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';

/** Admits requests with the publishing secret. Both sides are hashed, so that the comparison reveals nothing about its length. */
export function publisher(secret: string | undefined, isDraining: () => boolean): Middleware {
  const expected = secret === undefined ? undefined : digest(secret);
  return async (ctx: Context, next: Next) => {
    if (!expected) {
      throw new SisyphusError(
        'publishing_off',
        'publishing over HTTP is off; set SISYPHUS_PUBLISH_SECRET to switch it on',
      );
    }
    const [, token] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
    if (token === undefined || !timingSafeEqual(digest(token), expected)) {
      throw new SisyphusError('unauthorized', 'expected Authorization: Bearer <SISYPHUS_PUBLISH_SECRET>');
    }
    if (isDraining()) throw new SisyphusError('draining', 'this gateway is being stopped; ask another one');
    await next();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
