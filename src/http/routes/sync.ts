import type { Context } from 'koa';
import { readHistory } from '../../backlog/history.ts';
import { channelOfCollection } from '../../collection/collections.ts';
import { formatBatch, readBatch } from '../../collection/records.ts';
import type { CollectionConfig } from '../../config/collections.ts';
import { SisyphusError } from '../../errors.ts';
import { formatPosition } from '../../message/position.ts';
import type { Permit } from '../../session/permits.ts';
import { NO_TEXT } from '../../sync/time-token.ts';
import type { ClientLimits } from '../client-limits.ts';
import { CollectionFeed, readChange } from '../collection-feed.ts';
import type { HttpContext } from '../context.ts';
import { mediaTypeOf, textOf, unsupported } from '../json-body.ts';
import type { Line } from '../line-pacer.ts';
import { Poller } from '../poller.ts';
import { readBody } from '../read-body.ts';
import { errorOf } from '../refusal-error.ts';
import { requireSecret, secretsOf } from '../sync-secrets.ts';

/** How long a poll waits until the records are loaded (ms); then it is answered 503. */
const LOADING = 1500;
/** The most batches that `?since=` sends one by one. */
const MOST_BATCHES = 1000;
const FORM = 'application/x-www-form-urlencoded';

export interface SyncOptions {
  limits: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed'>;
}

/** GET /__ping */
export function ping(ctx: Context): void {
  ctx.type = 'text';
  ctx.body = 'pong';
}

/** POST /update and /sync/<collection>/update: a batch in the form field `data`. */
export function update(context: HttpContext, { limits }: SyncOptions): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const { name, key, send } = dictionaryOf(ctx, context.config.collections);
    const maxMessage = context.maxMessage();
    const body = await readBody(ctx.req, maxMessage);
    const type = mediaTypeOf(ctx.get('Content-Type'));
    if (type !== FORM) throw unsupported(type, FORM);
    const form = new URLSearchParams(textOf(body));
    const data = form.get('data');
    const hmac = form.get('hmac') ?? hmacOf(ctx);
    const secrets = secretsOf(send, context.secrets);
    await requireSecret(ctx, secrets, { text: data ?? NO_TEXT, hmac }, limits);
    if (data === null)
      throw new SisyphusError('bad_request', 'the field data is missing: expected a JSON array of updates');
    const batch = formatBatch(readBatch(data, { key, maxMessage }), key);
    const { id, ...rest } = await context.collections.patch(name, batch);
    ctx.body = { id: formatPosition(id), ...rest };
  };
}

/** GET /poll and /sync/<collection>/poll: the records as one line of updates, then a line for each batch, for ever. */
export function poll(context: HttpContext, { limits }: SyncOptions): (ctx: Context) => Promise<void> {
  const feeds = new Map<string, CollectionFeed>();
  const { config } = context;
  const all = new Set<Poller>();
  const begin = (name: string): CollectionFeed => {
    const feed = new CollectionFeed(name, context);
    feed.onShutdown = () => {
      for (const poller of all) poller.end();
    };
    feeds.set(name, feed);
    return feed;
  };
  return async (ctx) => {
    const { name, receive } = dictionaryOf(ctx, config.collections);
    const secrets = secretsOf(receive, context.secrets);
    await requireSecret(ctx, secrets, { text: NO_TEXT, hmac: hmacOf(ctx) }, limits);
    if (context.isDraining()) throw errorOf({ refusal: 'draining' });
    const since = sinceOf(ctx);
    const permit = await permitFor(context);
    const feed = feeds.get(name) ?? begin(name);
    try {
      await isLoaded(feed);
    } catch (error) {
      permit.release();
      throw error;
    }
    const poller = new Poller(ctx.res, feed, { isOnce: ctx.query.once === '1', ...config });
    ctx.respond = false;
    all.add(poller);
    // If the past cannot be read, the client is sent the whole state.
    const past =
      since === undefined ? undefined : await batchesSince(since, feed, name, context, poller).catch(() => undefined);
    poller.begin(past, since !== undefined);
    await poller.ended;
    all.delete(poller);
    permit.release();
    if (feed.subscribers > 0 || feeds.get(name) !== feed) return;
    feeds.delete(name);
    feed.close();
  };
}

function dictionaryOf(ctx: Context, collections: readonly CollectionConfig[]): CollectionConfig {
  const { collection } = ctx.params as { collection?: string };
  const found = collections.find(({ name, isDefault }) => (collection === undefined ? isDefault : name === collection));
  if (found) return found;
  const expected = collection === undefined ? 'one with "default":true' : 'one';
  throw new SisyphusError('not_found', `there is no such collection: expected ${expected} in SISYPHUS_COLLECTIONS`);
}

function hmacOf(ctx: Context): string | undefined {
  const { hmac } = ctx.query;
  return typeof hmac === 'string' ? hmac : undefined;
}

/** @throws SisyphusError `bad_request` */
function sinceOf({ query: { since } }: Context): number | undefined {
  if (since === undefined) return undefined;
  if (typeof since === 'string' && /^\d{1,15}$/.test(since)) return Number(since);
  throw new SisyphusError('bad_request', 'since: expected a revision, which is a whole number');
}

/** @throws SisyphusError `unavailable` if there is no room */
async function permitFor({ sessions, counters }: HttpContext): Promise<Permit> {
  const permit = await sessions.permit(undefined);
  if (typeof permit !== 'string') return permit;
  counters.limitReached(permit);
  throw new SisyphusError('unavailable', `${permit} is reached: expected the request again later`);
}

/** @throws SisyphusError `redis_unavailable` */
async function isLoaded(feed: CollectionFeed): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LOADING);
  });
  if (!feed.isReady) await Promise.race([feed.start(), late]);
  clearTimeout(timer);
  if (!feed.isReady)
    throw new SisyphusError('redis_unavailable', 'the records cannot be read: expected the request again later');
}

/** The lines of the batches after a revision, up to that of the feed; `undefined` if they are not all kept. */
async function batchesSince(
  since: number,
  feed: CollectionFeed,
  name: string,
  { backlog, hub }: HttpContext,
  poller: Poller,
): Promise<Line[] | undefined> {
  const { revision, epoch } = feed;
  if (since > revision) return undefined;
  poller.hold();
  const query = { after: since, limit: MOST_BATCHES };
  const { messages, isReset } = await readHistory(backlog, channelOfCollection(name), hub.position, query);
  const changes = messages.map(({ payload }) => readChange(payload.toString(), name));
  const wanted = changes.filter((change) => change !== undefined && change.revision <= revision);
  const areAll = wanted.length === revision - since && wanted.every((change) => change?.epoch === epoch);
  if (isReset || !areAll || feed.epoch !== epoch) return undefined;
  return wanted.map((change) => feed.lineOf(change!));
}
