/**
 * Who is to be looked at when: so that each of many is looked at once an interval, and not all of them once a second, which was
 * an eighth of what idle streams cost.
 */
export class TimerWheel<Item> {
  /** Milliseconds that are one. */
  readonly #step: number;
  readonly #slots = new Map<number, Set<Item>>();
  readonly #slotOf = new Map<Item, number>();
  #next: number;

  constructor(step: number, now: number) {
    this.#step = step;
    this.#next = Math.floor(now / step);
  }

  /** At this time (ms), or with the next `take` after it; instead of when it was to be before. */
  add(item: Item, at: number): void {
    this.delete(item);
    const slot = Math.max(Math.ceil(at / this.#step), this.#next);
    this.#slotOf.set(item, slot);
    const items = this.#slots.get(slot);
    if (items) items.add(item);
    else this.#slots.set(slot, new Set([item]));
  }

  delete(item: Item): void {
    const slot = this.#slotOf.get(item);
    if (slot === undefined) return;
    this.#slotOf.delete(item);
    this.#slots.get(slot)?.delete(item);
  }

  /** Everybody whose time has come; they are no longer on the schedule. */
  take(now: number): Item[] {
    const taken: Item[] = [];
    for (const last = Math.floor(now / this.#step); this.#next <= last; this.#next++) {
      for (const item of this.#slots.get(this.#next) ?? []) {
        this.#slotOf.delete(item);
        taken.push(item);
      }
      this.#slots.delete(this.#next);
    }
    return taken;
  }
}
