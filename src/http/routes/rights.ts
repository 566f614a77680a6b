import type { Context } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { requireChannel, requireUser } from '../../message/names.ts';
import type { HttpContext } from '../context.ts';
import { idempotencyOf } from '../idempotency.ts';
import { readBody } from '../read-body.ts';
import { resultOf } from './publish.ts';

const RIGHT = '{"user":"7","channel":"room:918"} is right, with "data" for another text than the usual one';

/** POST /grant and /revoke: change a user's list and tell the user's channel, in one step. */
export function rights({ backlog, config }: HttpContext, change: 'grant' | 'revoke'): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const type = ctx.get('Content-Type').split(';')[0]!.trim().toLowerCase();
    if (type !== 'application/json') throw new SisyphusError('unsupported_type', 'application/json is right');
    const body = await readBody(ctx.req, 2 * config.maxMessage);
    const { user, channel, data } = parse(body);
    if (data !== undefined && typeof data !== 'string')
      throw new SisyphusError('bad_request', `data is no text: ${RIGHT}`);
    const text = data === undefined ? undefined : Buffer.from(data);
    if (text && text.length > config.maxMessage) {
      throw new SisyphusError('too_large', `data has ${text.length} bytes: up to ${config.maxMessage} are right`);
    }
    const idempotency = idempotencyOf(ctx, body);
    ctx.body = resultOf(await backlog[change](requireUser(user), requireChannel(channel), text, idempotency));
  };
}

function parse(body: Buffer): { user?: unknown; channel?: unknown; data?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch (error) {
    throw new SisyphusError('bad_json', `the body is no JSON: ${RIGHT}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SisyphusError('bad_request', `the body is no object: ${RIGHT}`);
  }
  return value;
}
