import type { Context, Middleware, Next } from 'koa';
import { exchangeOf } from '../exchange.ts';

/**
 * While the gateway is being stopped, each response carries `Connection: close`, so that the client does not send its next request
 * on a connection that is about to be closed.
 */
export function lastAnswer(isDraining: () => boolean): Middleware {
  return async (ctx: Context, next: Next) => {
    await next();
    // If more requests have arrived on the connection, the last of their responses carries the header.
    const isLast = exchangeOf(ctx.req.socket).last?.response === ctx.res;
    if (isLast && isDraining() && ctx.respond !== false) ctx.set('Connection', 'close');
  };
}
