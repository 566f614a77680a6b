import type { Context } from 'koa';
import type { HttpContext } from '../context.ts';
import { idempotencyOf } from '../idempotency.ts';
import { type Act, audit, audited, requireUserAllowed } from '../publish-rights.ts';
import { readBody } from '../read-body.ts';
import { parseRightsChange } from '../rights-change.ts';
import { resultOf } from './publish.ts';

/** POST /grant and /revoke: change a user's list, and publish the change on the user's channel, in one step. */
export function rights(context: HttpContext, change: 'grant' | 'revoke'): (ctx: Context) => Promise<void> {
  const { logger, publisher } = context;
  return async (ctx) => {
    const maxMessage = context.maxMessage();
    const body = await readBody(ctx.req, maxMessage);
    const { user, channel, data } = parseRightsChange(ctx.get('Content-Type'), body, { maxMessage });
    requireUserAllowed(ctx, { user, channel });
    const act: Act = { action: change, user, channel };
    const run = () => publisher[change](user, channel, data, idempotencyOf(ctx, body));
    const result = resultOf(await audited(logger, ctx, act, run));
    audit(logger, ctx, { ...act, id: result.id });
    ctx.body = result;
  };
}
