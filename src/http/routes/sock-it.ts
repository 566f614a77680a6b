import type { Context } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { channelOfUser } from '../../message/names.ts';
import { type Outcome, Poll } from '../../poll/poll.ts';
import type { Carried, PollStore } from '../../poll/poll-store.ts';
import type { Polls } from '../../poll/polls.ts';
import { createSessionName, isCarrying, isSessionName } from '../../poll/session-name.ts';
import { Failures } from '../../repeats.ts';
import type { BoundedLog } from '../bounded-log.ts';
import type { CarriedStreams } from '../carried-stream.ts';
import type { HttpContext } from '../context.ts';
import type { Listener } from '../entrance.ts';
import { InOrder } from '../in-order.ts';
import { answerPlainly } from '../plain-answer.ts';
import type { PollVisitors } from '../poll-visitors.ts';
import { requireAllowed } from '../publish-rights.ts';
import { readBody } from '../read-body.ts';
import { errorOf } from '../refusal-error.ts';
import { textsFrom, textsOf } from '../text-messages.ts';

/** The largest body (bytes). */
const MAX_BODY = 1_048_576;
/** How long the connection may stand still before the client has taken the answer (ms). */
const TAKING = 60_000;
/** A number that a browser gives: to the last batch that it got, or to one of its requests. */
const NUMBER = /^\d{1,15}$/;
/** An answer up to this size is taken by the kernel as a whole or not at all (bytes). */
const WHOLE = 65_536;

export interface SockItOptions {
  store: PollStore;
  polls: Polls;
  visitors: PollVisitors;
  streams: CarriedStreams;
  log: BoundedLog;
}

/** The routes below `/sock.it/`: the API of a WebSocket over requests. */
export class SockIt {
  readonly #context: HttpContext;
  readonly #options: SockItOptions;
  readonly #inOrder = new InOrder();
  readonly #failures: Failures;

  constructor(context: HttpContext, options: SockItOptions) {
    this.#context = context;
    this.#options = options;
    this.#failures = new Failures(context.logger);
  }

  /** POST /sock.it/poll-start */
  readonly start = (ctx: Context): Promise<void> => this.#start(ctx);

  /** POST /sock.it/<session>/poll */
  readonly poll = async (ctx: Context): Promise<void> => {
    this.#requireRunning();
    // A body has no meaning here. If it was not read, nobody would notice that the client has left.
    ctx.req.resume();
    const { store, polls } = this.#options;
    const session = String(ctx.params.session);
    const carried = await this.#carriedBy(session);
    if (carried === undefined) return this.#start(ctx, session);
    const leaving = new Leaving(ctx);
    const got = NUMBER.exec(String(ctx.query.got))?.[0] ?? '';
    const listener = carried === 'nothing' ? undefined : await this.#admit(ctx, carried, leaving);
    if (leaving.hasLeft) {
      listener?.permit.release();
      return;
    }
    let waiting: Poll | undefined;
    const stream =
      listener && carried !== 'nothing' ? this.#options.streams.begin(carried, listener, () => waiting) : undefined;
    // `finish` comes before `close`, and never if the client has left.
    if (stream) ctx.res.once('finish', stream.written).once('close', stream.written);
    const progress = stream ? () => stream.progress() : undefined;
    const poll = new Poll({ store, failures: this.#failures, session, got, progress });
    waiting = poll;
    leaving.onLeft = () => poll.close();
    const outcome = await polls.run(poll).finally(() => stream?.close());
    if (outcome.kind === 'unknown') return this.#start(ctx, session);
    await answer(ctx, poll, outcome, leaving);
  };

  /** POST /sock.it/<session>/poll-msg */
  readonly receive = async (ctx: Context): Promise<void> => {
    this.#requireRunning();
    // A browser may send several at a time, on several connections.
    const { turn, done } = this.#inOrder.enter(String(ctx.params.session));
    try {
      await this.#receive(ctx, turn);
    } finally {
      done();
    }
  };

  /** POST /sock.it/<session>/send, for the application. */
  readonly send = async (ctx: Context): Promise<void> => {
    const { store } = this.#options;
    const session = String(ctx.params.session);
    const carried = isSessionName(session) ? await this.#carriedBy(session) : undefined;
    if (carried !== undefined) {
      requireAllowed(ctx, [carried === 'nothing' ? `session:${session}` : channelOfUser(carried.user)]);
    }
    const messages = textsFrom(await readBody(ctx.req, this.#context.maxMessage(), MAX_BODY));
    const dropped = carried && (messages.length > 0 ? await store.send(session, messages) : 0);
    if (dropped === undefined) {
      throw new SisyphusError(
        'not_found',
        'there is no such session: expected one that has been used in the last minute',
      );
    }
    if (dropped > 0) {
      this.#context.counters.pollMessagesDropped(dropped);
      this.#options.log.warn({ event: 'poll_messages_dropped', dropped });
    }
    ctx.body = { sent: messages.length, dropped };
  };

  /** @param instead a session that is not known */
  async #start(ctx: Context, instead = ''): Promise<void> {
    this.#requireRunning();
    const { store, visitors } = this.#options;
    ctx.req.resume();
    const carried = await visitors.carriedBy(ctx);
    const name = createSessionName(carried !== undefined);
    const hasAck = ctx.query.ack === '1' || ctx.query.got !== undefined;
    const session = await store.open(name, hasAck, carried, isSessionName(instead) ? instead : '');
    await answerPlainly(ctx, `poll-start=${session}`);
  }

  async #receive(ctx: Context, turn: () => Promise<void>): Promise<void> {
    const { store, visitors } = this.#options;
    const session = String(ctx.params.session);
    const messages = textsOf(await readBody(ctx.req, this.#context.maxMessage(), MAX_BODY));
    const carried = await this.#carriedBy(session);
    if (carried !== undefined && carried !== 'nothing') await visitors.require(ctx, carried);
    await turn();
    const number = NUMBER.exec(String(ctx.query.n))?.[0];
    if (carried === undefined || !(await store.receive(session, messages, number))) return this.#start(ctx, session);
    await answerPlainly(ctx, '');
  }

  /** What the session carries; `undefined` if there is no such session. One without a user is looked up with its own call. */
  async #carriedBy(session: string): Promise<Carried | 'nothing' | undefined> {
    if (!isSessionName(session)) return undefined;
    return isCarrying(session) ? this.#options.store.read(session) : 'nothing';
  }

  async #admit(ctx: Context, carried: Carried, leaving: Leaving): Promise<Listener | undefined> {
    const { visitors, streams } = this.#options;
    const request = visitors.requestOf(ctx, carried);
    const begun = performance.now();
    const listener = await streams.admit({ socket: ctx.req.socket, request, connection: leaving.connection, begun });
    if (!listener) return undefined;
    if ('refusal' in listener) {
      this.#context.counters.streamRefused(listener.refusal);
      throw visitors.refused(ctx, listener);
    }
    try {
      visitors.requireSame(carried, listener, request);
    } catch (error) {
      listener.permit.release();
      throw error;
    }
    return listener;
  }

  #requireRunning(): void {
    if (this.#context.isDraining()) throw errorOf({ refusal: 'draining' });
  }
}

/** Whether the client of a request has left before its answer was written. */
class Leaving {
  onLeft: () => void = () => undefined;
  hasLeft = false;
  readonly connection: { closed: boolean; onClose: () => void } = { closed: false, onClose: () => undefined };

  constructor(ctx: Context) {
    const left = (): void => {
      if (ctx.res.writableFinished) return;
      this.hasLeft = true;
      this.connection.closed = true;
      this.connection.onClose();
      this.onLeft();
    };
    ctx.res.once('close', left);
    if (ctx.req.socket.destroyed) left();
  }
}

/** Writes the answer of a poll, and tells the store what has become of its batch. */
async function answer(ctx: Context, poll: Poll, outcome: Outcome, leaving: Leaving): Promise<void> {
  const text = outcome.kind === 'batch' ? outcome.text : '[]';
  await answerPlainly(ctx, text);
  if (outcome.kind !== 'batch') return;
  if (leaving.hasLeft) {
    await poll.end('back');
    return;
  }
  ctx.set('Sisyphus-Batch', String(outcome.number));
  if (ctx.response.get('Access-Control-Allow-Origin')) ctx.set('Access-Control-Expose-Headers', 'Sisyphus-Batch');
  const length = Buffer.byteLength(ctx.body as string | Buffer);
  ctx.res.setTimeout(TAKING);
  // Without `finish` the kernel has not taken all of the answer.
  ctx.res.once('finish', () => void poll.end('written'));
  leaving.onLeft = () => void poll.end(length > WHOLE ? 'written' : 'back');
}
