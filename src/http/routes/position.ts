import type { Context } from 'koa';
import { formatPosition, type Position } from '../../message/position.ts';
import type { HttpContext } from '../context.ts';

/**
 * GET /position: the id of now, for a page that reads it before its data and begins its stream there. Requests that come while the store is
 * asked get the same answer: an id that is a moment older leaves nothing out.
 */
export function position({ publisher }: HttpContext): (ctx: Context) => Promise<void> {
  let asking: Promise<Position> | undefined;
  return async (ctx) => {
    asking ??= publisher.position().finally(() => {
      asking = undefined;
    });
    ctx.body = { id: formatPosition(await asking) };
  };
}
