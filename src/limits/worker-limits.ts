import type { Count, Limits, RateLimit } from './limits.ts';
import type { ToPrimary, ToWorkerOfLimits } from './messages.ts';
import { WorkerCount } from './worker-count.ts';
import { WorkerRate } from './worker-rate.ts';

/** The limits of a worker: they are counted over all workers, with the primary's help. */
export class WorkerLimits implements Limits {
  readonly #post: (messages: ToPrimary[]) => void;
  readonly #limits = new Map<string, WorkerCount | WorkerRate>();
  #outbox: ToPrimary[] = [];
  #id = 0;

  /** @param post sends these to the primary, in this order */
  constructor(post: (messages: ToPrimary[]) => void) {
    this.#post = post;
  }

  count(name: string, most: number): Count {
    this.#send({ do: 'define', name, most });
    const count = new WorkerCount({ name, most, send: this.#send, nextId: this.#nextId });
    this.#limits.set(name, count);
    return count;
  }

  rate(name: string, most: number, within: number): RateLimit {
    this.#send({ do: 'define', name, most, within });
    const rate = new WorkerRate({ name, most, within, send: this.#send, nextId: this.#nextId });
    this.#limits.set(name, rate);
    return rate;
  }

  hear(messages: readonly ToWorkerOfLimits[]): void {
    for (const message of messages) this.#limits.get(message.name)?.hear(message);
  }

  readonly #nextId = (): number => ++this.#id;

  /** What is said within a turn of the event loop goes as one message: a message costs more than what is in it. */
  readonly #send = (message: ToPrimary): void => {
    if (this.#outbox.push(message) > 1) return;
    setImmediate(() => {
      const messages = this.#outbox;
      this.#outbox = [];
      this.#post(messages);
    });
  };
}
