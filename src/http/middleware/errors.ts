import type { Context, Middleware, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { isExpected, Repeats } from '../../repeats.ts';
import type { BoundedLog } from '../bounded-log.ts';
import { shownPath } from '../shown-path.ts';

/** Answers each error with a JSON body that has a code and a sentence, and writes a line to the log. */
export function errors(logger: Logger, log: BoundedLog): Middleware {
  const repeats = new Repeats();
  return async (ctx: Context, next: Next) => {
    try {
      await next();
      if (ctx.respond !== false && ctx.body === undefined) requireRoute(ctx);
    } catch (thrown) {
      // The error is in the body of the request, and `answerUnreadable` has answered and logged it.
      if (ctx.headerSent) return;
      const error = thrown instanceof SisyphusError ? thrown : unexpected(thrown, logger);
      // Redis refuses all publishers for the same reason, and a client at a limit sends many requests, so these lines are limited.
      const isRepeated = isExpected(error) || error.code === 'too_many_requests';
      const { code, message: reason } = error;
      const times = isRepeated ? repeats.due(`${code} ${reason}`) : 1;
      const line = { event: 'request_refused', method: ctx.method, path: shownPath(ctx.url), code, reason };
      if (times > 0) log.warn(times > 1 ? { ...line, times } : line);
      ctx.status = error.status;
      if (error.code === 'unauthorized') ctx.set('WWW-Authenticate', 'Bearer');
      if (error.status === 503) ctx.set('Retry-After', '2');
      ctx.body = { error: error.code, message: error.message };
    }
  };
}

/** @throws SisyphusError if no route has responded; the router has already set `Allow`, which a 405 must carry (RFC 9110, 15.5.6) */
function requireRoute(ctx: Context): void {
  if (ctx.status === 404) {
    throw new SisyphusError('not_found', `there is nothing at ${shownPath(ctx.url)}; GET /?user=7 opens a stream`);
  }
  if (ctx.status === 405 || ctx.status === 501) {
    const { method, response } = ctx;
    throw new SisyphusError(
      'method_not_allowed',
      `${method} is not answered at ${shownPath(ctx.url)}: expected ${response.get('Allow')}`,
    );
  }
}

function unexpected(thrown: unknown, logger: Logger): SisyphusError {
  logger.error({ event: 'request_failed', error: thrown });
  return new SisyphusError('internal', 'a mistake in the gateway; its log has it', { cause: thrown });
}
