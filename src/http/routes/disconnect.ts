import type { Context } from 'koa';
import { requireUser } from '../../message/names.ts';
import { formatPosition } from '../../message/position.ts';
import type { HttpContext } from '../context.ts';
import { jsonObjectOf } from '../json-body.ts';
import { readBody } from '../read-body.ts';

/** POST /disconnect: ends every open stream of a user, on all gateways. */
export function disconnect(context: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const body = await readBody(ctx.req, context.maxMessage());
    const user = requireUser(
      jsonObjectOf(ctx.get('Content-Type'), body, ['user'], '{"user":"7"}').textOrInteger('user'),
    );
    ctx.body = { id: formatPosition(await context.publisher.disconnect(user)) };
  };
}
