import type { Context } from 'koa';
import type { ChannelNews } from '../../connection/rt-news.ts';
import { toRevisionItem } from '../../connection/to-json.ts';
import { SisyphusError } from '../../errors.ts';
import { BEGINNING, formatPosition, type Position } from '../../message/position.ts';
import { readNewest } from '../../reading/newest.ts';
import type { Session } from '../../session/session.ts';
import { mediaTypeOf, textOf, unsupported } from '../json-body.ts';
import type { LongPolls } from '../long-polls.ts';
import { readBody } from '../read-body.ts';
import { errorOfReason } from '../refusal-error.ts';
import { readPairs } from '../rt-query.ts';
import { streamRequestOf } from '../stream-request.ts';

/** The header with the id up to which the client has everything on the channels of the poll: a stream may begin there. */
const POSITION = 'Sisyphus-Position';
const FORM = 'application/x-www-form-urlencoded';
const MICROSECONDS = 1_000_000;

/** GET /rt: waits for messages after the revisions that the client has, and answers those of all channels that have some. */
export function rt(polls: LongPolls): (ctx: Context) => Promise<void> {
  return (ctx) => answer(polls, ctx, undefined);
}

/** POST /rt: the same, with the channels in a form, for more of them than an address has room for. */
export function rtForm(polls: LongPolls, maxMessage: () => number): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const type = mediaTypeOf(ctx.get('Content-Type'));
    if (type !== FORM) throw unsupported(type, FORM);
    const body = textOf(await readBody(ctx.req, maxMessage()));
    await answer(polls, ctx, new URLSearchParams(body));
  };
}

async function answer(polls: LongPolls, ctx: Context, form: URLSearchParams | undefined): Promise<void> {
  const request = streamRequestOf(ctx.req, form);
  const seen = readPairs(request.query);
  const poll = await polls.open(ctx.req, request, seen, { kind: 'revisions', seen });
  if (!poll) return leave(ctx);
  poll.response.replayed();
  void polls.requireStore(poll.response);
  const outcome = await poll.outcome;
  if ('reason' in outcome) {
    if (outcome.reason === 'client') return leave(ctx);
    throw errorOfReason(outcome.reason, outcome.ending);
  }
  const { news, position, denied } = outcome;
  await addNewest(polls, poll.session, news, position);
  if (position !== BEGINNING) ctx.set(POSITION, formatPosition(position));
  ctx.type = 'json';
  ctx.body = encode(news, denied);
}

/** Nobody reads an answer. */
function leave(ctx: Context): void {
  ctx.respond = false;
}

/** Adds the last message of channels that were reset and have had no message since: the client takes over its revision. */
async function addNewest(
  { context }: LongPolls,
  session: Session,
  news: ReadonlyMap<string, ChannelNews>,
  position: Position,
): Promise<void> {
  const bare = [...news].filter(([, { items }]) => items.length === 0).map(([channel]) => channel);
  if (bare.length === 0) return;
  for (const [channel, { revision, message }] of await readNewest(context.backlog, bare, position)) {
    const isAllowed = message && session.allows(message);
    news.get(channel)!.items.push(isAllowed ? toRevisionItem(message) : `{"id":${revision}}`);
  }
}

function encode(news: ReadonlyMap<string, ChannelNews>, denied: readonly string[]): string {
  const members = [...news].map(
    ([channel, { status, items }]) => `${JSON.stringify(channel)}:{"status":"${status}","msg":[${items.join(',')}]}`,
  );
  for (const channel of denied) {
    if (!news.has(channel)) members.push(`${JSON.stringify(channel)}:{"status":"failure","msg":[]}`);
  }
  return `{${members.join(',')}}`;
}

/** GET /rt/sync: the revision of each channel now, for a page that loads its data elsewhere and polls from there on. */
export function rtSync(polls: LongPolls): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const request = streamRequestOf(ctx.req);
    const seen = readPairs(request.query);
    const poll = await polls.open(ctx.req, request, seen, { kind: 'now' });
    if (!poll) return leave(ctx);
    const denied = new Set(poll.session.denied);
    const isOpen = !poll.response.closed;
    poll.session.close('polled');
    const outcome = await poll.outcome;
    if ('reason' in outcome) {
      if (outcome.reason === 'client') return leave(ctx);
      throw errorOfReason(outcome.reason, outcome.ending);
    }
    if (!isOpen && denied.size < seen.size)
      throw new SisyphusError('draining', 'this gateway is being stopped; ask another one');
    const channels = [...seen.keys()];
    const readable = channels.filter((channel) => !denied.has(channel));
    const counters = readable.length > 0 ? await polls.context.backlog.counters(readable) : [];
    const found = new Map(readable.map((channel, i) => [channel, counters[i]!]));
    ctx.body = channels.map((channel) => {
      const counter = found.get(channel);
      if (!counter) return { channel, status: 'failure' };
      const timestamp = Math.floor(counter.last / MICROSECONDS);
      return { channel, last_message_id: counter.revision, timestamp };
    });
  };
}
