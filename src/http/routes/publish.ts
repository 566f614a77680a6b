import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Idempotency, Published } from '../../backlog/backlog.ts';
import { SisyphusError } from '../../errors.ts';
import { formatPosition } from '../../message/position.ts';
import type { HttpContext } from '../context.ts';
import { parsePublications } from '../publications.ts';
import { readBody } from '../read-body.ts';

/** A batch may have as many bytes as so many of the largest messages. */
const BODY_FACTOR = 16;

/** POST /publish: one message or a batch, all of it or nothing; the answer has an id and a revision for each. */
export function publish({ backlog, config: { maxMessage } }: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const body = await readBody(ctx.req, BODY_FACTOR * maxMessage);
    const type = ctx.get('Content-Type');
    const { publications, single } = parsePublications(type, body, { maxMessage });
    const published = await backlog.publish(publications, idempotencyOf(ctx.get('Idempotency-Key'), type, body));
    ctx.body = single ? resultOf(published[0]!) : { results: published.map(resultOf) };
  };
}

export function resultOf({ channel, id, revision }: Published): { channel: string; id: string; revision: number } {
  return { channel, id: formatPosition(id), revision };
}

function idempotencyOf(key: string, type: string, body: Buffer): Idempotency | undefined {
  if (key === '') return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new SisyphusError('bad_request', 'Idempotency-Key: 1 to 255 printable ASCII characters are right');
  }
  return { key, fingerprint: createHash('sha256').update(`${type}\n`).update(body).digest('base64url') };
}
