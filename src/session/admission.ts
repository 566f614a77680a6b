import { TURN } from '../patience.ts';

/** So many streams may wait for their list, and for what they missed, at a time; the others wait for their turn. */
const AT_A_TIME = 200;

interface Waiting {
  /** When its patience ends (ms). */
  until: number;
  /** How many waited before it. */
  ahead: number;
  isGone: () => boolean;
  resolve: (turn: Turn | Crowded) => void;
}

/** A place among those that open. `done` may be called twice. */
export interface Turn {
  done: () => void;
}

/** It was nobody's turn in time. `times`: how many times as many wait as can open at a time, and at least 1. */
export interface Crowded {
  times: number;
}

/**
 * Lets so many streams open at a time, in the order in which they came. Each asks Redis for a list, and often for a backlog: if
 * more come than Redis can answer, what it answers late has been given up, and is asked again by the same clients.
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

  /** @param isGone whether nobody waits any more: then the turn is the next one's, and the promise stays open */
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

  /** Those whose patience has ended are the first of the queue. */
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
