import { get } from './requests.js';

/** The position is asked for so many times in a row, and the fastest answer counts. */
const QUESTIONS = 4;

/** The clock of Redis as this page knows it. An id is a time of that clock in microseconds. */
export class Clock {
  /** By how much the clock of Redis is ahead of the one of this page (ms), give or take `doubt`. */
  #ahead;
  doubt = Number.POSITIVE_INFINITY;

  /** Reads the clock of Redis by asking for the present position, which is a time. Half of what the answer took is the doubt. */
  async set() {
    let best;
    for (let i = 0; i < QUESTIONS; i++) {
      const asked = now();
      const { id } = await get('position');
      const took = now() - asked;
      if (!best || took < best.took) best = { took, ahead: Number(id) / 1000 - (asked + took / 2) };
    }
    this.#ahead = best.ahead;
    this.doubt = best.took / 2;
  }

  get isSet() {
    return this.#ahead !== undefined;
  }

  /** The time by the clock of Redis (ms since 1970). */
  get time() {
    return now() + this.#ahead;
  }

  /** How long ago the id was given out (ms); `undefined` if the clock is not known yet. */
  since(id) {
    return this.isSet ? Math.max(0, this.time - Number(id) / 1000) : undefined;
  }
}

function now() {
  return performance.timeOrigin + performance.now();
}
