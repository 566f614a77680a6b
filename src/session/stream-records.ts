import type { CloseReason } from '../connection/close-reason.ts';
import type { Transport } from '../connection/transport.ts';
import type { Trace } from '../reading/trace.ts';
import type { Session } from './session.ts';

/** How many streams that have ended are remembered: a few hundred bytes each. */
const MOST_ENDED = 1000;

/** A stream that is open or has ended, as an operator sees it. */
export interface StreamRecord {
  user: string | undefined;
  transport: Transport;
  /** When it was let in (ms since 1970). */
  since: number;
  /** `undefined` if it has not begun. */
  trace: Trace | undefined;
}

export interface EndedStream extends StreamRecord {
  /** When it ended (ms since 1970). */
  ended: number;
  reason: CloseReason;
}

export function recordOf({ user, since, trace, connection: { transport } }: Session): StreamRecord {
  return { user, transport, since, trace };
}

/** The streams that have ended lately. */
export class EndedStreams {
  readonly #streams: EndedStream[] = [];
  /** The place of the next one: the oldest is overwritten. */
  #next = 0;

  note(stream: EndedStream): void {
    this.#streams[this.#next] = stream;
    this.#next = (this.#next + 1) % MOST_ENDED;
  }

  /** The streams of the user, the last one first. */
  of(user: string): EndedStream[] {
    return this.#streams.filter((stream) => stream.user === user).sort((a, b) => b.ended - a.ended);
  }
}
