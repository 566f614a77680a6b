/**
 * A timer wheel: holds items by the time at which each is due. So each of many items is visited once an interval; visiting all of them
 * once a second was an eighth of the cost of idle streams.
 */
export class TimerWheel<Item> {
  /** The length of a slot (ms). */
  readonly #step: number;
  readonly #slots = new Map<number, Set<Item>>();
  readonly #slotOf = new Map<Item, number>();
  /** The number of the first slot that is not taken yet. */
  #next: number;

  constructor(step: number, now: number) {
    this.#step = step;
    this.#next = Math.floor(now / step);
  }

  /** Makes the item due at this time (ms), rounded up to a slot that is not taken yet. Replaces the item's previous time. */
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

  /** Removes and returns the items that are due. */
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
