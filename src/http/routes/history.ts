import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Identity } from '../../auth/authenticator.ts';
import type { HttpRequest } from '../../auth/http-request.ts';
import { publicTest } from '../../auth/public-channels.ts';
import type { Rights } from '../../backlog/backlog.ts';
import { type HistoryQuery, readHistory, readNewest } from '../../backlog/history.ts';
import { toItem } from '../../connection/to-json.ts';
import { SisyphusError } from '../../errors.ts';
import type { Message } from '../../message/message.ts';
import { channelOfUser, requireChannel } from '../../message/names.ts';
import { parsePosition } from '../../message/position.ts';
import { Admission } from '../../session/admission.ts';
import { Timeline } from '../../session/timeline.ts';
import type { ClientLimits } from '../client-limits.ts';
import type { HttpContext } from '../context.ts';
import type { Identification } from '../identification.ts';
import { streamRequestOf } from '../stream-request.ts';

const MOST = 1000;
const USUAL = 100;
/** How many are read at a time: each may be all that is kept of a channel, and what streams read must not wait for many of them. */
const AT_A_TIME = 4;
/** How long the connection may stand still before the client has taken the answer (ms). */
const TAKING = 60_000;

export interface HistoryOptions {
  identification: Identification;
  limits: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed'>;
  /** Whether the mode of `SISYPHUS_AUTH` reads the header `Authorization`. */
  readsBearer: boolean;
}

interface Asking extends HttpContext, HistoryOptions {
  isPublic: (channel: string) => boolean;
}

/** Whether the caller may read a message of the channel. */
type Filter = (message: Message) => boolean;

/** GET /channels/<channel>/messages: what is kept of a channel, for those who may read it, and for publishers. */
export function history(context: HttpContext, options: HistoryOptions): (ctx: Context) => Promise<void> {
  const asking = { ...context, ...options, isPublic: publicTest(context.config.publicChannels) };
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
    // A browser's fetch sends no-cache with a condition, and Koa would not look at the condition then.
    const tags = tagsOf(ctx.get('If-None-Match'));
    if (tags.includes(ctx.response.get('ETag')) || tags.includes('*')) ctx.status = 304;
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

/** The tags of a header, without the mark of weak ones: a proxy that compresses makes them weak (RFC 9110, 13.1.2). */
function tagsOf(header: string): string[] {
  return header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
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

/**
 * Finds out whether the caller may read the channel: with a publish secret for it, or with a right of its own.
 *
 * @returns makes the filter for messages that were read after this call
 * @throws SisyphusError `unauthorized`, `unavailable`, `forbidden_channel`, `too_many_requests`
 */
async function judgeFor(
  ctx: Context,
  channel: string,
  request: HttpRequest,
  asking: Asking,
): Promise<() => Promise<Filter>> {
  const { identification, limits, readsBearer, secrets } = asking;
  const counted = limits.counted(request);
  const wait = await limits.waitOf(counted);
  if (wait > 0) {
    asking.counters.limitReached('SISYPHUS_MAX_FAILURES');
    ctx.set('Retry-After', String(Math.ceil(wait / 1000)));
    throw new SisyphusError(
      'too_many_requests',
      'SISYPHUS_MAX_FAILURES is reached: expected the next request after Retry-After',
    );
  }
  const [, bearer] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
  const secret = bearer === undefined ? undefined : secrets.find(bearer);
  if (secret) {
    if (secret.allows(channel)) return all;
    throw forbidden(channel);
  }
  const identity = await identification.identify(request, { onClose: () => undefined });
  const refusal = 'refusal' in identity ? identity.refusal : undefined;
  // If nothing else reads the bearer, it was meant as a publish secret, and is a wrong one.
  const isGuess = bearer !== undefined && (!readsBearer || refusal === 'missing');
  try {
    return await judgeOf(identity, channel, asking);
  } catch (error) {
    if (isGuess) await limits.failed(counted, 'signature');
    else if (refusal) await limits.failed(counted, refusal);
    throw error;
  }
}

const all = async (): Promise<Filter> => () => true;

/** @throws SisyphusError `unauthorized`, `unavailable`, `forbidden_channel` */
async function judgeOf(identity: Identity, channel: string, asking: Asking): Promise<() => Promise<Filter>> {
  const { config } = asking;
  const isPublic = asking.isPublic(channel);
  if ('refusal' in identity) {
    const { refusal } = identity;
    if (refusal === 'missing' && isPublic) return all;
    if (refusal === 'unavailable' || refusal === 'capacity' || refusal === 'internal') {
      throw new SisyphusError(
        'unavailable',
        'who the client is cannot be found out now: expected the request again later',
      );
    }
    throw new SisyphusError('unauthorized', `the credential is refused (${refusal}): expected one that opens a stream`);
  }
  const { user, channels = [] } = identity;
  const isConstant = isPublic || (config.rights !== 'redis' && channels.includes(channel));
  if (isConstant || channel === channelOfUser(user)) return all;
  if (config.rights === 'credential') throw forbidden(channel);
  const rights = await listOf(user, channel, asking);
  return () => filterBy(rights, user, channel, asking);
}

/** The user's list. @throws SisyphusError `forbidden_channel` if the channel is not on it */
async function listOf(user: string, channel: string, { backlog }: HttpContext, known?: Rights): Promise<Rights> {
  const [rights = known] = await backlog.rights([{ user, known: known?.version }]);
  if (!rights?.channels.has(channel)) throw forbidden(channel);
  return rights;
}

/** The list is read again, because messages that were read meanwhile may have followed a change of it. */
async function filterBy(before: Rights, user: string, channel: string, context: HttpContext): Promise<Filter> {
  let rights = await listOf(user, channel, context, before);
  if (rights.unsettled) {
    await context.hub.settle();
    rights = await listOf(user, channel, context);
  }
  const timeline = new Timeline();
  timeline.replace(rights);
  return (message) => timeline.allows(message);
}

function forbidden(channel: string): SisyphusError {
  return new SisyphusError(
    'forbidden_channel',
    `${channel} may not be read with this credential: expected one with the right`,
  );
}
