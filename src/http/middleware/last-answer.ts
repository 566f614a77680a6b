import type { Context, Middleware, Next } from 'koa';
import { exchangeOf } from '../exchange.ts';

/**
 * While the gateway is being stopped, each answer is the last on its connection, and says so: a client that is told does not
 * send its next request on a connection that is about to be closed.
 */
export function lastAnswer(isDraining: () => boolean): Middleware {
  return async (ctx: Context, next: Next) => {
    await next();
    // Requests that were sent behind this one are answered, too.
    const isLast = exchangeOf(ctx.req.socket).last?.response === ctx.res;
    if (isLast && isDraining() && ctx.respond !== false) ctx.set('Connection', 'close');
  };
}
