import type { Socket } from 'node:net';
import type { HttpRequest } from '../auth/http-request.ts';
import { type RtOutcome, RtResponse, type RtRules } from '../connection/rt-response.ts';
import { mayHaveLost } from '../hub/channel-source.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, isAfter } from '../message/position.ts';
import { OPENING, within } from '../patience.ts';
import type { Start } from '../reading/start.ts';
import { Admission, openingAtATime } from '../session/admission.ts';
import { Session } from '../session/session.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { HttpContext } from './context.ts';
import { Entrance, type EntranceOptions, FULL, type Listener } from './entrance.ts';
import { openInTurn } from './open-in-turn.ts';
import { errorOf } from './refusal-error.ts';

/** A poll that has been let in: what it reads with, and its end. */
export interface LongPoll {
  session: Session;
  response: RtResponse;
  outcome: Promise<RtOutcome>;
}

/** Opens sessions for long polls. They have the rights and the limits of streams of the same channels by name. */
export class LongPolls {
  readonly context: HttpContext;
  readonly #entrance: Entrance;
  readonly #log: BoundedLog;
  readonly #admission: Admission;
  /** One object for all polls: each of many would have one of its own. */
  readonly #rules: RtRules;
  /** The polls that wait for the answer of the store; `undefined` while it is not asked. */
  #asking: RtResponse[] | undefined;

  constructor(context: HttpContext, options: EntranceOptions & { log: BoundedLog }) {
    this.context = context;
    this.#entrance = new Entrance(context, options);
    this.#admission = new Admission(openingAtATime(context.config));
    this.#log = options.log;
    const { noopInterval, maxBuffer } = context.config;
    this.#rules = {
      noopInterval,
      maxBuffer,
      timer: context.writes.rt,
      isFinal: (channel) => context.hub.isConflated(channel),
      isBehindGap: (message) => this.#isBehindGap(message),
    };
  }

  /**
   * Settles when everything that the client has missed is in the response, or when the poll has ended.
   *
   * @param seen by channel the revision of the last message that the client has
   * @returns `undefined` if the client has left
   * @throws SisyphusError if the client is refused
   */
  async open(
    socket: Socket,
    request: HttpRequest,
    seen: ReadonlyMap<string, number>,
    start: Start,
  ): Promise<LongPoll | undefined> {
    const begun = performance.now();
    const { response, outcome } = this.#respond(socket, seen);
    const named = new Set(seen.keys());
    const entering = { socket, request, connection: response, named, begun, refusal: undefined };
    const listener = await this.#entrance.admit(entering);
    if (!listener) return undefined;
    if ('refusal' in listener) {
      const { counters } = this.context;
      counters.streamRefused(listener.refusal);
      if (listener.limit) counters.limitReached(listener.limit);
      response.hangUp();
      throw errorOf(listener);
    }
    const session = await this.#begin(listener, response, named, start, begun);
    return { session, response, outcome };
  }

  /**
   * Ends a poll that waits, if the store does not answer. Nothing else may have asked the store for the poll, and it would wait in vain. Polls
   * that begin to wait while the store is asked share the answer.
   */
  requireStore(response: RtResponse): void {
    if (response.closed) return;
    if (this.#asking) {
      this.#asking.push(response);
      return;
    }
    const asking = [response];
    this.#asking = asking;
    void within(OPENING, this.context.hub.refresh())
      .catch(() => false)
      .then((isAnswered) => {
        this.#asking = undefined;
        if (!isAnswered) for (const waiting of asking) waiting.close('redis', BEGINNING);
      });
  }

  #respond(socket: Socket, seen: ReadonlyMap<string, number>): Pick<LongPoll, 'response' | 'outcome'> {
    const response = new RtResponse(seen, this.#rules);
    const hangUp = (): void => response.hangUp();
    socket.once('close', hangUp);
    const outcome = new Promise<RtOutcome>((resolve) => {
      response.onEnd = (end) => {
        socket.off('close', hangUp);
        resolve(end);
      };
    });
    return { response, outcome };
  }

  async #begin(
    listener: Listener,
    response: RtResponse,
    named: ReadonlySet<string>,
    start: Start,
    begun: number,
  ): Promise<Session> {
    const { context } = this;
    const { hub, backlog, logger, counters, recordsPlain, repeats } = context;
    const { maxBuffer, maxChannels } = context.config;
    const { user, credential, address, begun: since } = listener;
    const { granted, hasList } = this.#entrance.rightsOf(listener, named);
    // One literal, and not the whole context spread: V8 gives such an object a shape of its own, 1.5 KB for each poll.
    // biome-ignore format: what all polls share, and what each has of its own
    const session = new Session({
      hub, backlog, logger, counters, recordsPlain, repeats, maxBuffer, maxChannels,
      user, credential, address, begun: since, granted, hasList, named, connection: response,
    });
    response.denials = () => session.denied;
    response.onDue = () => session.noop();
    response.onReset = () => {
      if (!session.isHolding) session.noop();
    };
    session.onSweep = () => {
      if (session.opened && session.denied.length === named.size) session.noop();
    };
    const fleet = context.sessions.add(session, listener.expires, listener.permit)?.then((isAdmitted) => {
      if (isAdmitted) return;
      context.counters.limitReached(FULL.limit);
      response.close('capacity', BEGINNING, FULL);
      context.sessions.refused(session);
    });
    if (start.kind === 'revisions' && session.openAtOnce(start)) return session;
    await openInTurn(session, start, begun + OPENING, context, {
      admission: this.#admission,
      fleet,
      log: this.#log,
    });
    return session;
  }

  /** Whether messages of the channel may have been lost between the one before and this one. */
  #isBehindGap({ channel, id, previous }: Message): boolean {
    const { hub, recordsPlain } = this.context;
    return hub.gaps.some(
      (gap) => isAfter(gap.to, previous) && isAfter(id, gap.from) && mayHaveLost(gap, channel, recordsPlain(channel)),
    );
  }
}
