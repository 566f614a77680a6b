import { TURN } from '../patience.ts';

/**
 * Most streams of a gateway that may open at a time: that read their list, and the messages that they missed. The others queue. The limit is
 * for the sake of Redis, so the workers of a gateway share it.
 */
const AT_A_TIME = 200;

/** How many streams may open at a time in one of the processes of a gateway. */
export function openingAtATime({ workers }: { workers: number }): number {
  return Math.ceil(AT_A_TIME / workers);
}

interface Waiting {
  /** When it is turned away (ms). */
  until: number;
  /** How many streams were queued before it. */
  ahead: number;
  /** Whether its client has left. */
  isGone: () => boolean;
  resolve: (turn: Turn | Crowded) => void;
}

/** The permission to open. `done` ends it, and may be called twice. */
export interface Turn {
  done: () => void;
}

/** The stream did not get a turn in time. `times`: the length of the queue up to it, divided by how many can open at a time; at least 1. */
export interface Crowded {
  times: number;
}

/**
 * Limits how many streams open at a time, and opens the others in the order of their arrival. Each reads a list from Redis, and often a
 * backlog. Without a limit, if more clients came than Redis can answer, late answers would be for clients that have given up, and
 * that ask again.
 */
export class Admission {
  readonly #atATime: number;
  readonly #patience: number;
  readonly #now: () => number;
  readonly #waiting: Waiting[] = [];
  #opening = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(atATime = AT_A_TIME, patience = TURN, now: () => number = performance.now.bind(performance)) {
    this.#atATime = atATime;
    this.#patience = patience;
    this.#now = now;
  }

  get opening(): number {
    return this.#opening;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @param isGone whether the client has left: if so, the next one gets its turn, and the promise never settles */
  enter(isGone: () => boolean): Promise<Turn | Crowded> {
    if (this.#waiting.length === 0 && this.#opening < this.#atATime) return Promise.resolve(this.#begin());
    return new Promise((resolve) => {
      const until = this.#now() + this.#patience;
      this.#waiting.push({ until, ahead: this.#waiting.length, isGone, resolve });
      this.#timer ??= setTimeout(() => this.#turnAway(), this.#patience);
    });
  }

  #begin(): Turn {
    this.#opening++;
    let isDone = false;
    return {
      done: () => {
        if (isDone) return;
        isDone = true;
        this.#opening--;
        this.#next();
      },
    };
  }

  #next(): void {
    while (this.#opening < this.#atATime) {
      const waiting = this.#waiting.shift();
      if (!waiting) return;
      if (!waiting.isGone()) waiting.resolve(this.#begin());
    }
  }

  /** Turns away the streams whose time is over: they are the first of the queue, because all have the same patience. */
  #turnAway(): void {
    this.#timer = undefined;
    const now = this.#now();
    const found = this.#waiting.findIndex(({ until }) => until > now);
    const overdue = this.#waiting.splice(0, found < 0 ? this.#waiting.length : found);
    for (const { ahead, isGone, resolve } of overdue) {
      if (!isGone()) resolve({ times: Math.max(1, Math.ceil((ahead + 1) / this.#atATime)) });
    }
    const first = this.#waiting[0];
    if (first) this.#timer = setTimeout(() => this.#turnAway(), Math.max(1, first.until - now));
  }
}
