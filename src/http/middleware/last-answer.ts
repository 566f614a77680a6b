import type { Context, Middleware, Next } from 'koa';
import { exchangeOf } from '../exchange.ts';

/**
 * While the gateway is being stopped, each response carries `Connection: close`, so that the client does not send its next request
 * on a connection that is about to be closed.
 */
export function lastAnswer(isDraining: () => boolean): Middleware {
  return async (ctx: Context, next: Next) => {
    await next();
    // Not if more requests follow on the connection: they get their responses first.
    const isLast = exchangeOf(ctx.req.socket).last?.response === ctx.res;
    if (isLast && isDraining() && ctx.respond !== false) ctx.set('Connection', 'close');
  };
}
