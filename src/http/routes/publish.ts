import type { Context } from 'koa';
import type { Published } from '../../backlog/backlog.ts';
import { formatPosition } from '../../message/position.ts';
import { parseTrace } from '../../message/trace.ts';
import type { HttpContext } from '../context.ts';
import { idempotencyOf } from '../idempotency.ts';
import { parsePublications } from '../publications.ts';
import { requireAllowed } from '../publish-rights.ts';
import { readBody } from '../read-body.ts';

/** POST /publish: publishes one message, or all or none of a batch; the response has an id and a revision for each message. */
export function publish(context: HttpContext): (ctx: Context) => Promise<void> {
  const { publisher } = context;
  return async (ctx) => {
    const maxMessage = context.maxMessage();
    const body = await readBody(ctx.req, maxMessage);
    const type = ctx.get('Content-Type');
    const { publications, single } = parsePublications(type, body, { maxMessage });
    requireAllowed(
      ctx,
      publications.map(({ channel }) => channel),
      !single,
    );
    const trace = parseTrace(ctx.get('traceparent'));
    const published = await publisher.publish(publications, idempotencyOf(ctx, body), trace);
    ctx.body = single ? resultOf(published[0]!) : { results: published.map(resultOf) };
  };
}

export function resultOf({ channel, id, revision }: Published): { channel: string; id: string; revision: number } {
  return { channel, id: formatPosition(id), revision };
}
