import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { channelOfCollection } from '../../collection/collections.ts';
import type { Snapshots } from '../../collection/snapshots.ts';
import type { CollectionConfig } from '../../config/collections.ts';
import { SisyphusError } from '../../errors.ts';
import { formatPosition, type Position, parsePosition } from '../../message/position.ts';
import { askingOf, judgeFor, type ReaderOptions } from '../channel-reader.ts';
import { answerCondition } from '../condition.ts';
import type { HttpContext } from '../context.ts';
import { livePage } from '../live-page.ts';
import { streamRequestOf } from '../stream-request.ts';
import { handOver, type OpenStream } from './stream.ts';

/** How many of the last changes a stream begins with, unless it says otherwise. */
const OVERLAP = '10';
/** How long the connection may stand still before the client has taken the answer (ms). */
const TAKING = 60_000;

/** GET /live: a page that shows the public collections. */
export function page({ config }: HttpContext): (ctx: Context) => void {
  const names = config.collections.filter(({ isPublic }) => isPublic).map(({ name }) => name);
  const { html, headers } = livePage(names, config.noopInterval);
  return (ctx) => {
    ctx.set(headers);
    ctx.type = 'html';
    ctx.body = html;
  };
}

/** GET /live/<collection>: all records, the revision that they have, and the id at which a stream joins. */
export function snapshot(
  context: HttpContext,
  options: ReaderOptions,
  snapshots: Snapshots,
): (ctx: Context) => Promise<void> {
  const asking = askingOf(context, options);
  return async (ctx) => {
    const { name } = collectionOf(ctx, context.config.collections);
    const judge = await judgeFor(ctx, channelOfCollection(name), streamRequestOf(ctx.req), asking);
    const { epoch, revision, id, key, json } = await snapshots.read(name);
    // The right may have gone meanwhile.
    await judge();
    ctx.set('Cache-Control', 'no-cache');
    ctx.set('Vary', 'Authorization, Cookie, Origin');
    ctx.etag = `${epoch}-${revision}`;
    ctx.type = 'json';
    const head = `{${JSON.stringify(name)}:[`;
    const tail = `],"revision":${revision},"epoch":"${epoch}","id":"${formatPosition(id)}","key":${JSON.stringify(key)}}`;
    const parts = [Buffer.from(head), json, Buffer.from(tail)];
    ctx.body = Readable.from(parts.filter(({ length }) => length > 0));
    ctx.length = parts.reduce((sum, { length }) => sum + length, 0);
    ctx.res.setTimeout(TAKING);
    answerCondition(ctx);
  };
}

/**
 * GET /live/<collection>/events: a stream of the collection's channel alone. The last changes that it begins with are those of the present
 * epoch, because a page that is sent another one starts over, and would be sent it again.
 */
export function changes(context: HttpContext, openStream: OpenStream, snapshots: Snapshots): (ctx: Context) => void {
  return (ctx) => {
    const { name } = collectionOf(ctx, context.config.collections);
    const request = streamRequestOf(ctx.req);
    const { query } = request;
    query.set('c', channelOfCollection(name));
    if (!query.has('overlap')) query.set('overlap', OVERLAP);
    ctx.respond = false;
    // An epoch is the id with which it began. If the store does not answer, the stream says so.
    const epoch = (): Promise<Position | undefined> =>
      snapshots.read(name).then(
        (read) => parsePosition(read.epoch),
        () => undefined,
      );
    handOver(ctx.req, ctx.res, request, openStream, epoch);
  };
}

/** @throws SisyphusError `not_found` */
export function collectionOf(ctx: Context, collections: readonly CollectionConfig[]): CollectionConfig {
  const found = collections.find(({ name }) => name === ctx.params.collection);
  if (found) return found;
  throw new SisyphusError('not_found', 'there is no such collection: expected one in SISYPHUS_COLLECTIONS');
}
