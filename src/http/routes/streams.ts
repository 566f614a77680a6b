import { hostname } from 'node:os';
import type { Context } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { requireChannel, requireUser } from '../../message/names.ts';
import type { Session } from '../../session/session.ts';
import { type EndedStream, recordOf, type StreamRecord } from '../../session/stream-records.ts';
import type { HttpContext } from '../context.ts';
import { mayActOn, requireUserAllowed } from '../publish-rights.ts';
import { streamRequestOf } from '../stream-request.ts';

/** The most streams in an answer that names no user. */
const MOST = 1000;

/**
 * GET /streams: the open streams of this process and how far each has come, for the operator. With `user` the streams of that user, also
 * those that have ended lately; with `channel` whether each of them reads that channel.
 */
export function streams(context: HttpContext): (ctx: Context) => void {
  const { sessions, config } = context;
  const gateway = `${hostname()}/${process.pid}`;
  return (ctx) => {
    const { user, channel } = queryOf(ctx);
    const show = (session: Session): object => ({
      ...shown(recordOf(session)),
      ...(channel !== undefined && { reads: session.reads(channel) }),
    });
    const head = { gateway, workers: config.workers };
    if (user === undefined) {
      const open: object[] = [];
      for (const session of sessions.open) {
        if (open.length === MOST) break;
        if (session.user !== undefined && mayActOn(ctx, session.user)) open.push(show(session));
      }
      ctx.body = { ...head, total: sessions.streams, streams: open };
      return;
    }
    requireUserAllowed(ctx, { user });
    const { open, ended } = sessions.streamsOf(user);
    ctx.body = { ...head, total: open.length, streams: open.map(show), ended: ended.map(shownEnded) };
  };
}

/** @throws SisyphusError `bad_request`, `bad_user`, `bad_channel` */
function queryOf(ctx: Context): { user: string | undefined; channel: string | undefined } {
  const { query } = streamRequestOf(ctx.req);
  const [users, channels] = [query.getAll('user'), query.getAll('channel')];
  if (users.length > 1 || channels.length > 1) {
    throw new SisyphusError('bad_request', 'user and channel: expected each once at most');
  }
  return {
    user: users[0] === undefined ? undefined : requireUser(users[0]),
    channel: channels[0] === undefined ? undefined : requireChannel(channels[0]),
  };
}

function shown({ user, transport, since, trace }: StreamRecord): object {
  const ids = trace && {
    start: trace.start,
    from: String(trace.from),
    seam: String(trace.seam),
    position: String(trace.position),
  };
  return { user, transport, since: new Date(since).toISOString(), ...ids };
}

function shownEnded(stream: EndedStream): object {
  return { ...shown(stream), ended: new Date(stream.ended).toISOString(), reason: stream.reason };
}
