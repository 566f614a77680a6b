import type { Context } from 'koa';
import { requireUser } from '../../message/names.ts';
import { formatPosition } from '../../message/position.ts';
import type { HttpContext } from '../context.ts';
import { jsonObjectOf } from '../json-body.ts';
import { type Act, audit, audited, requireUserAllowed } from '../publish-rights.ts';
import { readBody } from '../read-body.ts';

const EXAMPLE = '{"user":"7"}';

/** POST /disconnect: ends every open stream of a user, on all gateways. Streams of one token end when it is revoked. */
export function disconnect(context: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const body = await readBody(ctx.req, context.maxMessage());
    const user = requireUser(jsonObjectOf(ctx.get('Content-Type'), body, ['user'], EXAMPLE).textOrInteger('user'));
    requireUserAllowed(ctx, { user });
    const act: Act = { action: 'disconnect', user };
    const id = await audited(context.logger, ctx, act, () => context.publisher.disconnect(user));
    audit(context.logger, ctx, { ...act, id: formatPosition(id) });
    ctx.body = { id: formatPosition(id) };
  };
}
