import type { Refused } from '../auth/authenticator.ts';
import { parsePosition } from '../message/position.ts';
import { OPENING } from '../patience.ts';
import { FrameCollector } from '../poll/frame-collector.ts';
import type { Poll } from '../poll/poll.ts';
import type { Carried, Progress } from '../poll/poll-store.ts';
import { Admission, openingAtATime } from '../session/admission.ts';
import { Session } from '../session/session.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { HttpContext } from './context.ts';
import { type Entering, Entrance, type EntranceOptions, FULL, type Listener } from './entrance.ts';
import { openInTurn } from './open-in-turn.ts';

/** The stretch of a stream that one poll reads. */
export interface Stretch {
  progress(): Progress;
  close(): void;
  /** To be called when the poll is answered, or has ended without an answer. May be called twice. */
  written(): void;
}

/**
 * Runs the stream that a poll session carries while one of its polls waits: a session of the user that begins at the position that the store
 * has. Nothing runs between two polls, because the backlogs have what comes meanwhile.
 */
export class CarriedStreams {
  readonly #context: HttpContext;
  readonly #log: BoundedLog;
  readonly #entrance: Entrance;
  readonly #admission: Admission;

  constructor(context: HttpContext, { log, ...options }: EntranceOptions & { log: BoundedLog }) {
    this.#context = context;
    this.#log = log;
    this.#entrance = new Entrance(context, options);
    this.#admission = new Admission(openingAtATime(context.config));
  }

  /** @returns `undefined` if the client has left meanwhile */
  admit(entering: Omit<Entering, 'named' | 'refusal'>): Promise<Listener | Refused | undefined> {
    return this.#entrance.admit({ ...entering, named: undefined, refusal: undefined });
  }

  /** @param poll called for the poll that waits, once there is one */
  begin(carried: Carried, listener: Listener, poll: () => Poll | undefined): Stretch {
    const { config, sessions, counters, writes } = this.#context;
    const timer = writes['sock.it'];
    const { format, position, isTold, number } = carried;
    const { maxBuffer, maxChannels } = config;
    const onNews = (): void => poll()?.look();
    const onReset = (): void => {
      if (!session.isHolding) poll()?.look();
    };
    const connection = new FrameCollector({ format, position, isTold, number, maxBuffer, timer, onNews, onReset });
    const { user, credential, address, begun } = listener;
    const rights = this.#entrance.rightsOf(listener, undefined);
    const own = { user, credential, address, begun, ...rights, named: undefined, connection, maxBuffer, maxChannels };
    const session = new Session({ ...this.#context, ...own });
    const fleet = sessions.add(session, listener.expires, listener.permit)?.then((isAdmitted) => {
      if (isAdmitted) return;
      counters.limitReached(FULL.limit);
      session.close('capacity', FULL);
      sessions.refused(session);
    });
    const at = parsePosition(position);
    const start = at === undefined ? ({ kind: 'now' } as const) : ({ kind: 'after', position: at } as const);
    const log = this.#log;
    void openInTurn(session, start, performance.now() + OPENING, this.#context, {
      log,
      admission: this.#admission,
      fleet,
    });
    return {
      progress: () => {
        // What the user may not have, and silence, move the position as well.
        if (session.opened && !session.isHolding && !connection.closed) session.noop();
        return connection.progress;
      },
      close: () => session.close('polled'),
      written: () => connection.written(),
    };
  }
}
