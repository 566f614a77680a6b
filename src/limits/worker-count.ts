import type { Count } from './limits.ts';
import type { ToPrimary, ToWorkerOfLimits } from './messages.ts';

/** How long the primary may take to answer (ms). It waits for other workers for a second at most. */
const PATIENCE = 2000;

interface Entry {
  used: number;
  /** Whether the primary is asked for each one. */
  isCounted: boolean;
  isFull: boolean;
}

export interface WorkerCountOptions {
  name: string;
  most: number;
  send: (message: ToPrimary) => void;
  /** Gives the number of the next question. */
  nextId: () => number;
  patience?: number;
}

/** A worker's side of a limit that counts what is open at a time: `PrimaryCount` has the rules. */
export class WorkerCount implements Count {
  readonly #options: WorkerCountOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #asked = new Map<number, (granted: boolean) => void>();
  /** How many the worker may have of a key that is not counted. */
  #share = 0;

  constructor(options: WorkerCountOptions) {
    this.#options = options;
  }

  acquire(key: string): boolean | Promise<boolean> {
    const entry = this.#entries.get(key);
    if (!entry?.isCounted && (entry?.used ?? 0) < this.#share) {
      this.#of(key).used++;
      return true;
    }
    return entry?.isFull ? false : this.#ask(key);
  }

  release(key: string): void {
    const entry = this.#of(key);
    entry.used--;
    if (entry.isCounted) this.#options.send({ do: 'release', name: this.#options.name, key });
    else if (entry.used === 0) this.#entries.delete(key);
  }

  isFull(key: string): boolean {
    return this.#entries.get(key)?.isFull ?? false;
  }

  hear(message: ToWorkerOfLimits): void {
    if (message.do === 'share') this.#share = Math.floor(this.#options.most / message.parts);
    if (message.do === 'room') this.#of(message.key).isFull = false;
    if (message.do === 'answer') this.#answered(message);
    if (message.do === 'count') {
      const { used } = Object.assign(this.#of(message.key), { isCounted: true, isFull: false });
      this.#options.send({ do: 'held', name: this.#options.name, key: message.key, used });
    }
    if (message.do === 'uncount') {
      const entry = Object.assign(this.#of(message.key), { isCounted: false, isFull: false });
      if (entry.used === 0) this.#entries.delete(message.key);
    }
  }

  /** If the primary does not answer, the answer is no: without it nobody knows whether there is room. */
  #ask(key: string): Promise<boolean> {
    const { name, send, nextId, patience = PATIENCE } = this.#options;
    const id = nextId();
    return new Promise((resolve) => {
      const settle = (granted: boolean): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(granted);
      };
      const timer = setTimeout(() => settle(false), patience);
      this.#asked.set(id, settle);
      send({ do: 'ask', name, key, id });
    });
  }

  #answered({ key, id, granted }: ToWorkerOfLimits & { do: 'answer' }): void {
    const settle = this.#asked.get(id);
    if (granted) this.#of(key).used++;
    else this.#of(key).isFull = true;
    settle?.(granted);
    // Nobody waits for it any more.
    if (!settle && granted) this.release(key);
  }

  #of(key: string): Entry {
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { used: 0, isCounted: false, isFull: false };
      this.#entries.set(key, entry);
    }
    return entry;
  }
}
