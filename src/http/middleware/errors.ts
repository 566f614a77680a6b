import type { Context, Middleware, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';
import type { ErrorAnswers } from '../error-answers.ts';
import { shownPath } from '../shown-path.ts';
import { streamRequestOf } from '../stream-request.ts';

/** Answers each error of a route. @param found what is answered here, for who asks for something else */
export function errors(answers: ErrorAnswers, found: string): Middleware {
  return async (ctx: Context, next: Next) => {
    try {
      await next();
      if (ctx.respond !== false && ctx.body === undefined) requireRoute(ctx, found);
    } catch (thrown) {
      // The error is in the body of the request, and `answerUnreadable` has answered and logged it.
      if (ctx.headerSent) return;
      const { status, headers, body } = answers.of(thrown, ctx, () => streamRequestOf(ctx.req));
      ctx.status = status;
      ctx.set(headers);
      ctx.body = body;
    }
  };
}

/** @throws SisyphusError if no route has responded; the router has already set `Allow`, which a 405 must carry (RFC 9110, 15.5.6) */
function requireRoute(ctx: Context, found: string): void {
  if (ctx.status === 404) {
    throw new SisyphusError('not_found', `there is nothing at ${shownPath(ctx.url)}; ${found}`);
  }
  if (ctx.status === 405 || ctx.status === 501) {
    const { method, response } = ctx;
    throw new SisyphusError(
      'method_not_allowed',
      `${method} is not answered at ${shownPath(ctx.url)}: expected ${response.get('Allow')}`,
    );
  }
}
