import type { ToWorkerOfLimits } from './messages.ts';

/** How long a worker may take to answer `count` (ms). After that the primary assumes that the worker hangs and has its whole share. */
const PATIENCE = 1000;

/** What the primary knows of one worker and one key. */
interface Held {
  /** At least as many as the worker has. */
  most: number;
  /** The worker has not said yet how many it has. */
  isUnsure: boolean;
  /** How many were granted since the worker was asked how many it has: its answer does not include them. */
  granted: number;
  /** The worker has been told that there is no room. It does not ask again before it is told that there is. */
  isRefused: boolean;
}

interface Entry<W> {
  key: string;
  of: Map<W, Held>;
  /** The sum over all workers. */
  total: number;
  waiting: { worker: W; id: number }[];
  timer: NodeJS.Timeout | undefined;
}

export interface PrimaryCountOptions<W> {
  name: string;
  most: number;
  /** Into how many shares the limit is divided: one for each worker, and one for the worker that is to take the place of another one. */
  parts: number;
  send: (worker: W, message: ToWorkerOfLimits) => void;
  patience?: number;
}

/**
 * The primary's side of a limit that counts what is open at a time, over all workers.
 *
 * A key is in one of two states:
 * - *shared*: the primary knows nothing of it. Each worker that has a share may have up to `floor(most / parts)`, and says nothing.
 * - *counted*: a worker wanted more than its share. The primary grants each one, and hears of each that ends. The key is shared
 *   again when half of the limit is free and each worker has at most half of its share.
 *
 * Invariant: of each key all workers together have at most `most`. While it is shared, because there are at most `parts` shares. When it
 * becomes counted, each worker is taken to have its whole share until it says how many it has, so `Held.most` is never less than
 * what the worker has, and it is the sum of these that stays within the limit. When it becomes shared again, no worker has more than its share.
 * The primary refuses a worker only if that sum has reached the limit, and it waits before until every worker has said how many it has, or has
 * taken longer than `PATIENCE`.
 */
export class PrimaryCount<W> {
  readonly #options: PrimaryCountOptions<W>;
  /** The share of each worker; 0 if it has none, and asks for each one. */
  readonly #shares = new Map<W, number>();
  readonly #counted = new Map<string, Entry<W>>();

  constructor(options: PrimaryCountOptions<W>) {
    this.#options = options;
  }

  /** To be called when a worker has started. It has nothing open yet, and no share. */
  join(worker: W): void {
    this.#shares.set(worker, 0);
    for (const entry of this.#counted.values()) this.#count(entry, worker);
    this.#giveShare(worker);
  }

  /** To be called when the worker has ended, and all of its connections with it. */
  leave(worker: W): void {
    this.#shares.delete(worker);
    for (const entry of [...this.#counted.values()]) {
      entry.total -= entry.of.get(worker)?.most ?? 0;
      entry.of.delete(worker);
      entry.waiting = entry.waiting.filter((one) => one.worker !== worker);
      this.#settle(entry);
    }
    for (const [other, share] of this.#shares) if (share === 0) this.#giveShare(other);
  }

  ask(worker: W, key: string, id: number): void {
    const entry = this.#counted.get(key) ?? this.#begin(key);
    entry.waiting.push({ worker, id });
    this.#settle(entry);
  }

  release(worker: W, key: string): void {
    const entry = this.#counted.get(key);
    const held = entry?.of.get(worker);
    // What a worker says before it has said how many it has is in that number.
    if (!entry || !held || held.isUnsure) return;
    held.most--;
    entry.total--;
    this.#settle(entry);
  }

  held(worker: W, key: string, used: number): void {
    const entry = this.#counted.get(key);
    const held = entry?.of.get(worker);
    if (!entry || !held?.isUnsure) return;
    entry.total += used + held.granted - held.most;
    Object.assign(held, { most: used + held.granted, isUnsure: false });
    this.#settle(entry);
  }

  #giveShare(worker: W): void {
    const { name, most, parts, send } = this.#options;
    const share = Math.floor(most / parts);
    const given = [...this.#shares.values()].filter((one) => one > 0).length;
    if (share === 0 || given >= parts) return;
    this.#shares.set(worker, share);
    send(worker, { do: 'share', name, parts });
  }

  #begin(key: string): Entry<W> {
    const entry: Entry<W> = { key, of: new Map(), total: 0, waiting: [], timer: undefined };
    this.#counted.set(key, entry);
    for (const worker of this.#shares.keys()) this.#count(entry, worker);
    return entry;
  }

  #count(entry: Entry<W>, worker: W): void {
    const most = this.#shares.get(worker)!;
    entry.of.set(worker, { most, isUnsure: true, granted: 0, isRefused: false });
    entry.total += most;
    const { name, send } = this.#options;
    send(worker, { do: 'count', name, key: entry.key });
  }

  /** Answers the workers that wait, as far as that is possible now, and shares the key again if it need not be counted any more. */
  #settle(entry: Entry<W>): void {
    const { most, patience = PATIENCE } = this.#options;
    while (entry.waiting.length > 0 && entry.total < most) {
      const { worker, id } = entry.waiting.shift()!;
      const held = entry.of.get(worker)!;
      held.most++;
      held.granted++;
      entry.total++;
      this.#answer(entry, worker, id, true);
    }
    const isUnsure = [...entry.of.values()].some((held) => held.isUnsure);
    if (entry.waiting.length > 0 && isUnsure) {
      entry.timer ??= setTimeout(() => this.#refuse(entry), patience).unref();
      return;
    }
    this.#refuse(entry);
    if (entry.total < most) this.#tellOfRoom(entry);
    if (!isUnsure && this.#mayBeShared(entry)) this.#end(entry);
  }

  #refuse(entry: Entry<W>): void {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    for (const { worker, id } of entry.waiting.splice(0)) {
      entry.of.get(worker)!.isRefused = true;
      this.#answer(entry, worker, id, false);
    }
  }

  #answer({ key }: Entry<W>, worker: W, id: number, granted: boolean): void {
    const { name, send } = this.#options;
    send(worker, { do: 'answer', name, key, id, granted });
  }

  #tellOfRoom({ key, of }: Entry<W>): void {
    const { name, send } = this.#options;
    for (const [worker, held] of of) {
      if (!held.isRefused) continue;
      held.isRefused = false;
      send(worker, { do: 'room', name, key });
    }
  }

  #mayBeShared({ of, total }: Entry<W>): boolean {
    if (total > this.#options.most / 2) return false;
    return [...of].every(([worker, held]) => held.most <= Math.floor(this.#shares.get(worker)! / 2));
  }

  #end({ key, of }: Entry<W>): void {
    const { name, send } = this.#options;
    this.#counted.delete(key);
    for (const worker of of.keys()) send(worker, { do: 'uncount', name, key });
  }
}
