import type { Context } from 'koa';
import { mediaTypeOf, textOf, unsupported } from '../json-body.ts';
import type { LongPolls } from '../long-polls.ts';
import { pollRevisions, TAKING } from '../poll-revisions.ts';
import { readBody } from '../read-body.ts';
import { errorOf, errorOfReason } from '../refusal-error.ts';
import { readPairs } from '../rt-query.ts';
import { streamRequestOf } from '../stream-request.ts';

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
  const answer = await pollRevisions(polls, ctx.req.socket, streamRequestOf(ctx.req, form));
  if (!answer) return leave(ctx);
  ctx.set(answer.headers);
  ctx.body = answer.body;
  ctx.res.setTimeout(TAKING);
}

/** Nobody reads an answer. */
function leave(ctx: Context): void {
  ctx.respond = false;
}

/** GET /rt/sync: the revision of each channel now, for a page that loads its data elsewhere and polls from there on. */
export function rtSync(polls: LongPolls): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const request = streamRequestOf(ctx.req);
    const seen = readPairs(request.query);
    const poll = await polls.open(ctx.req.socket, request, seen, { kind: 'now' });
    if (!poll) return leave(ctx);
    const denied = new Set(poll.session.denied);
    const isOpen = !poll.response.closed;
    poll.session.close('polled');
    const outcome = await poll.outcome;
    if ('reason' in outcome) {
      if (outcome.reason === 'client') return leave(ctx);
      throw errorOfReason(outcome.reason, outcome.ending);
    }
    if (!isOpen && denied.size < seen.size) throw errorOf({ refusal: 'draining' });
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
