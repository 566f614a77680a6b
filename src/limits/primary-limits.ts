import type { ToPrimary, ToWorkerOfLimits } from './messages.ts';
import { PrimaryCount } from './primary-count.ts';
import { PrimaryRate } from './primary-rate.ts';

/** The primary's side of all limits that are counted over workers. `W` is a worker as long as its process lives. */
export class PrimaryLimits<W> {
  readonly #workers: number;
  readonly #post: (worker: W, messages: ToWorkerOfLimits[]) => void;
  readonly #counts = new Map<string, PrimaryCount<W>>();
  readonly #rates = new Map<string, PrimaryRate>();
  readonly #outboxes = new Map<W, ToWorkerOfLimits[]>();

  /**
   * @param workers how many there should be
   * @param post sends these to the worker, in this order
   */
  constructor(workers: number, post: (worker: W, messages: ToWorkerOfLimits[]) => void) {
    this.#workers = workers;
    this.#post = post;
  }

  hear(worker: W, messages: readonly ToPrimary[]): void {
    for (const message of messages) this.#hear(worker, message);
  }

  /** To be called when nothing more can come from the worker, and its connections are closed. */
  ended(worker: W): void {
    this.#outboxes.delete(worker);
    for (const count of this.#counts.values()) count.leave(worker);
  }

  #hear(worker: W, message: ToPrimary): void {
    const { name } = message;
    const count = this.#counts.get(name);
    switch (message.do) {
      case 'define':
        this.#define(worker, message);
        return;
      case 'ask':
        count?.ask(worker, message.key, message.id);
        return;
      case 'release':
        count?.release(worker, message.key);
        return;
      case 'held':
        count?.held(worker, message.key, message.used);
        return;
      case 'take': {
        const { key, id } = message;
        const taken = this.#rates.get(name)?.take(key);
        if (taken) this.#send(worker, { do: 'taken', name, key, id, ...taken });
      }
    }
  }

  #define(worker: W, { name, most, within }: ToPrimary & { do: 'define' }): void {
    const workers = this.#workers;
    if (within !== undefined) {
      if (!this.#rates.has(name)) this.#rates.set(name, new PrimaryRate({ most, within: within * 1000, workers }));
      return;
    }
    let count = this.#counts.get(name);
    if (!count) {
      count = new PrimaryCount({ name, most, parts: workers + 1, send: this.#send });
      this.#counts.set(name, count);
    }
    count.join(worker);
  }

  /** What is said within a turn of the event loop goes as one message: a message costs more than what is in it. */
  readonly #send = (worker: W, message: ToWorkerOfLimits): void => {
    const outbox = this.#outboxes.get(worker);
    if (outbox) {
      outbox.push(message);
      return;
    }
    this.#outboxes.set(worker, [message]);
    setImmediate(() => {
      const messages = this.#outboxes.get(worker);
      this.#outboxes.delete(worker);
      if (messages) this.#post(worker, messages);
    });
  };
}
