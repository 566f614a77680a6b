import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { type HistoryQuery, readHistory, readNewest } from '../../backlog/history.ts';
import { toItem } from '../../connection/to-json.ts';
import { SisyphusError } from '../../errors.ts';
import { requireChannel } from '../../message/names.ts';
import { parsePosition } from '../../message/position.ts';
import { Admission } from '../../session/admission.ts';
import { askingOf, judgeFor, type ReaderOptions } from '../channel-reader.ts';
import { answerCondition } from '../condition.ts';
import type { HttpContext } from '../context.ts';
import { streamRequestOf } from '../stream-request.ts';

const MOST = 1000;
const USUAL = 100;
/** How many are read at a time: each may be all that is kept of a channel, and what streams read must not wait for many of them. */
const AT_A_TIME = 4;
/** How long the connection may stand still before the client has taken the answer (ms). */
const TAKING = 60_000;

/** GET /channels/<channel>/messages: what is kept of a channel, for those who may read it, and for publishers. */
export function history(context: HttpContext, options: ReaderOptions): (ctx: Context) => Promise<void> {
  const asking = askingOf(context, options);
  const turns = new Admission(AT_A_TIME);
  return async (ctx) => {
    const channel = requireChannel(ctx.params.channel);
    const request = streamRequestOf(ctx.req);
    const query = queryOf(request.query);
    const judge = await judgeFor(ctx, channel, request, asking);
    const { hub } = context;
    // A hub that hears nothing knows the position of a moment ago.
    await hub.refresh();
    const { oldest, newest, isReset, messages } = await inTurn(turns, ctx, () =>
      hub.isConflated(channel)
        ? readNewest(context.backlog, channel, query)
        : readHistory(context.backlog, channel, hub.position, query),
    );
    const items = messages
      .filter(await judge())
      .map(toItem)
      .join(',');
    const head = `"channel":${JSON.stringify(channel)},"oldest":${oldest ?? null},"newest":${newest ?? null}`;
    const body = `{${head},"reset":${isReset},"messages":[${items}]}`;
    ctx.set('Cache-Control', 'no-cache');
    ctx.set('Vary', 'Authorization, Cookie, Origin');
    ctx.etag = createHash('sha256').update(body).digest('base64url').slice(0, 22);
    ctx.type = 'json';
    ctx.body = body;
    ctx.res.setTimeout(TAKING);
    answerCondition(ctx);
  };
}

/** Reads when it is the request's turn. @throws SisyphusError `unavailable` if that takes too long */
async function inTurn<Answer>(turns: Admission, ctx: Context, read: () => Promise<Answer>): Promise<Answer> {
  const turn = await turns.enter(() => ctx.req.socket.destroyed);
  if (!('done' in turn)) {
    throw new SisyphusError('unavailable', 'too many histories are being read: expected the request again later');
  }
  try {
    return await read();
  } finally {
    turn.done();
  }
}

/** @throws SisyphusError `bad_request` */
function queryOf(query: URLSearchParams): HistoryQuery {
  const numberOf = (name: 'after' | 'before' | 'limit', most = Number.MAX_SAFE_INTEGER): number | undefined => {
    const [text, ...others] = query.getAll(name);
    if (text === undefined) return undefined;
    if (others.length === 0 && /^\d{1,16}$/.test(text) && Number(text) <= most) return Number(text);
    throw new SisyphusError('bad_request', `${name}: expected a whole number${most === MOST ? ` up to ${MOST}` : ''}`);
  };
  const [since, ...others] = query.getAll('since');
  const position = since === undefined ? undefined : parsePosition(since);
  if ((since !== undefined && position === undefined) || others.length > 0) {
    throw new SisyphusError('bad_request', 'since: expected the id of a message, such as 1795206467123456');
  }
  const found = { after: numberOf('after'), before: numberOf('before'), since: position };
  if (position !== undefined && (found.after ?? found.before) !== undefined) {
    throw new SisyphusError('bad_request', 'since stands beside after or before: expected since, or the others');
  }
  return { ...found, limit: numberOf('limit', MOST) ?? USUAL };
}
