import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { HttpRequest } from '../../auth/http-request.ts';
import { publicTest } from '../../auth/public-channels.ts';
import { type HistoryQuery, readHistory } from '../../backlog/history.ts';
import { toItem } from '../../connection/to-json.ts';
import { SisyphusError } from '../../errors.ts';
import type { Message } from '../../message/message.ts';
import { channelOfUser, requireChannel } from '../../message/names.ts';
import { parsePosition } from '../../message/position.ts';
import { Timeline } from '../../session/timeline.ts';
import type { ClientLimits } from '../client-limits.ts';
import type { HttpContext } from '../context.ts';
import type { Identification } from '../identification.ts';
import { streamRequestOf } from '../stream-request.ts';

const MOST = 1000;
const USUAL = 100;
const PARAMETERS = ['after', 'before', 'since', 'limit'] as const;

export interface HistoryOptions {
  identification: Identification;
  limits: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed'>;
}

/** Whether the caller may read a message of the channel. */
type Filter = (message: Message) => boolean;

/** GET /channels/<channel>/messages: what is kept of a channel, for those who may read it, and for publishers. */
export function history(context: HttpContext, options: HistoryOptions): (ctx: Context) => Promise<void> {
  const isPublic = publicTest(context.config.publicChannels);
  return async (ctx) => {
    const channel = requireChannel(ctx.params.channel);
    const request = streamRequestOf(ctx.req);
    const query = queryOf(request.query);
    const filter = isSecret(ctx, channel, context)
      ? () => true
      : await filterFor(channel, request, isPublic, context, options);
    const { backlog, hub } = context;
    // A hub that hears nothing knows the position of a moment ago.
    await hub.refresh();
    const { oldest, newest, isReset, messages } = await readHistory(backlog, channel, hub.position, query);
    const items = messages.filter(filter).map(toItem).join(',');
    const head = `"channel":${JSON.stringify(channel)},"oldest":${oldest ?? null},"newest":${newest ?? null}`;
    const body = `{${head},"reset":${isReset},"messages":[${items}]}`;
    ctx.set('Cache-Control', 'no-cache');
    ctx.set('Vary', 'Authorization, Cookie, Origin');
    ctx.etag = createHash('sha256').update(body).digest('base64url').slice(0, 22);
    ctx.type = 'json';
    ctx.body = body;
    // A browser's fetch sends no-cache with a condition, and Koa would not look at the condition then.
    if (listOf(ctx.get('If-None-Match')).includes(ctx.response.get('ETag'))) ctx.status = 304;
  };
}

/** The tags of a header, without the mark of weak ones: a proxy that compresses makes them weak (RFC 9110, 13.1.2). */
function listOf(header: string): string[] {
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
    throw new SisyphusError('bad_request', `expected since, or after and before, of ${PARAMETERS.join(', ')}`);
  }
  return { ...found, limit: numberOf('limit', MOST) ?? USUAL };
}

/** Whether the request brings a publish secret for the channel. @throws SisyphusError `forbidden_channel` if it is for other channels */
function isSecret(ctx: Context, channel: string, { secrets }: HttpContext): boolean {
  const [, token] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
  const secret = token === undefined ? undefined : secrets.find(token);
  if (!secret) return false;
  if (secret.allows(channel)) return true;
  throw forbidden(channel);
}

/** @throws SisyphusError `unauthorized`, `unavailable`, `forbidden_channel`, `too_many_requests` */
async function filterFor(
  channel: string,
  request: HttpRequest,
  isPublic: (channel: string) => boolean,
  { backlog, config }: HttpContext,
  { identification, limits }: HistoryOptions,
): Promise<Filter> {
  const counted = limits.counted(request);
  if ((await limits.waitOf(counted)) > 0) {
    throw new SisyphusError(
      'too_many_requests',
      'SISYPHUS_MAX_FAILURES is reached: expected the next request in a minute',
    );
  }
  const identity = await identification.identify(request, { onClose: () => undefined });
  if ('refusal' in identity) {
    const { refusal } = identity;
    if (refusal === 'missing' && isPublic(channel)) return () => true;
    await limits.failed(counted, refusal);
    if (refusal === 'unavailable' || refusal === 'capacity' || refusal === 'internal') {
      throw new SisyphusError(
        'unavailable',
        'who the client is cannot be found out now: expected the request again later',
      );
    }
    throw new SisyphusError('unauthorized', `the credential is refused (${refusal}): expected one that opens a stream`);
  }
  const { user, channels = [] } = identity;
  const isConstant = isPublic(channel) || (config.rights !== 'redis' && channels.includes(channel));
  if (isConstant || channel === channelOfUser(user)) return () => true;
  const [rights] = config.rights === 'credential' ? [] : await backlog.rights([{ user }]);
  if (!rights?.channels.has(channel)) throw forbidden(channel);
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
