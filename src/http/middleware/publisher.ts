import type { Context, Middleware, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';
import type { PublishSecrets } from '../../publish-secrets.ts';

/** Admits requests with a publish secret, and keeps it in `ctx.state.secret`. */
export function publisher(secrets: PublishSecrets, isDraining: () => boolean): Middleware {
  return async (ctx: Context, next: Next) => {
    if (secrets.isEmpty) {
      throw new SisyphusError(
        'publishing_off',
        'publishing over HTTP is off; set SISYPHUS_PUBLISH_SECRET to switch it on',
      );
    }
    const [, token] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
    const secret = token === undefined ? undefined : secrets.find(token);
    if (!secret) {
      throw new SisyphusError('unauthorized', 'expected Authorization: Bearer <SISYPHUS_PUBLISH_SECRET>');
    }
    if (isDraining()) throw new SisyphusError('draining', 'this gateway is being stopped; ask another one');
    ctx.state.secret = secret;
    await next();
  };
}
