import type { Context } from 'koa';
import type { Identity } from '../auth/authenticator.ts';
import type { HttpRequest } from '../auth/http-request.ts';
import { publicTest } from '../auth/public-channels.ts';
import type { Rights } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';
import type { Message } from '../message/message.ts';
import { channelOfUser } from '../message/names.ts';
import { Timeline } from '../session/timeline.ts';
import type { ClientLimits } from './client-limits.ts';
import type { HttpContext } from './context.ts';
import type { Identification } from './identification.ts';

export interface ReaderOptions {
  identification: Identification;
  limits: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed'>;
  /** Whether the mode of `SISYPHUS_AUTH` reads the header `Authorization`. */
  readsBearer: boolean;
}

/** What decides whether a client may read a channel outside of a stream. */
export interface Asking extends HttpContext, ReaderOptions {
  isPublic: (channel: string) => boolean;
}

/** Whether the caller may read a message of the channel. */
type Filter = (message: Message) => boolean;

export function askingOf(context: HttpContext, options: ReaderOptions): Asking {
  return { ...context, ...options, isPublic: publicTest(context.config.publicChannels) };
}

/**
 * Finds out whether the caller may read the channel: with a publish secret for it, or with a right of its own.
 *
 * @returns makes the filter for messages that were read after this call
 * @throws SisyphusError `unauthorized`, `unavailable`, `forbidden_channel`, `too_many_requests`
 */
export async function judgeFor(
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
