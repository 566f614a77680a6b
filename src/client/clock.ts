/**
 * Tells how much time has passed (ms), also while the machine slept, and whatever its clock is set to: `Date.now` goes back with the clock, and
 * `performance.now` may stand still in a sleep. So of each step between two looks the longer one counts.
 */
export class Clock {
  #passed = 0;
  #wall = Date.now();
  #steady = performance.now();

  now(): number {
    const [wall, steady] = [Date.now(), performance.now()];
    this.#passed += Math.max(wall - this.#wall, steady - this.#steady);
    this.#wall = wall;
    this.#steady = steady;
    return this.#passed;
  }
}
