import type { Context } from 'koa';
import { channelOfCollection } from '../../collection/collections.ts';
import { NewestWaits } from '../../collection/newest-waits.ts';
import { formatBatch, formatList, readBatch, readList } from '../../collection/records.ts';
import { formatPosition } from '../../message/position.ts';
import type { HttpContext } from '../context.ts';
import { idempotencyOf } from '../idempotency.ts';
import { mediaTypeOf, textOf, unsupported } from '../json-body.ts';
import { requireAllowed } from '../publish-rights.ts';
import { readBody } from '../read-body.ts';
import { collectionOf } from './live.ts';

/** How many times the largest message a whole list may be. */
const LIST_FACTOR = 64;

/** PUT /live/<collection>: a whole new list. In a burst one runs and one waits, and the newest one that waits wins. */
export function putCollection(context: HttpContext): (ctx: Context) => Promise<void> {
  const turns = new Map<string, NewestWaits>();
  return async (ctx) => {
    const { name, key } = collectionOf(ctx, context.config.collections);
    requireAllowed(ctx, [channelOfCollection(name)]);
    const maxMessage = context.maxMessage();
    const body = await readBody(ctx.req, maxMessage, LIST_FACTOR);
    const once = idempotencyOf(ctx, body);
    const list = formatList(readList(jsonOf(ctx, body), { key, maxMessage }));
    const turn = turns.get(name) ?? new NewestWaits();
    turns.set(name, turn);
    answer(ctx, await turn.run(() => context.collections.put(name, list, once)));
  };
}

/** PATCH /live/<collection>: a batch of updates and deletions. */
export function patchCollection(context: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const { name, key } = collectionOf(ctx, context.config.collections);
    requireAllowed(ctx, [channelOfCollection(name)]);
    const maxMessage = context.maxMessage();
    const body = await readBody(ctx.req, maxMessage);
    const once = idempotencyOf(ctx, body);
    const batch = formatBatch(readBatch(jsonOf(ctx, body), { key, maxMessage }), key);
    answer(ctx, await context.collections.patch(name, batch, once));
  };
}

function jsonOf(ctx: Context, body: Buffer): string {
  const type = mediaTypeOf(ctx.get('Content-Type'));
  if (type !== 'application/json') throw unsupported(type, 'application/json');
  return textOf(body);
}

function answer(ctx: Context, { id, ...rest }: Awaited<ReturnType<HttpContext['collections']['put']>>): void {
  ctx.body = { id: formatPosition(id), ...rest };
}
