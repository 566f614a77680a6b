import type { Outcome, Poll } from './poll.ts';
import type { PollStore } from './poll-store.ts';

/** The polls that wait at this gateway. */
export class Polls {
  readonly store: PollStore;
  readonly #waiting = new Map<string, Set<Poll>>();
  #count = 0;

  constructor(store: PollStore) {
    this.store = store;
    store.onNews = (session) => this.#look(session);
  }

  get count(): number {
    return this.#count;
  }

  /** Runs the poll; meanwhile it is told of news. @throws what `Poll.run` throws */
  async run(poll: Poll): Promise<Outcome> {
    const polls = this.#waiting.get(poll.session) ?? new Set();
    this.#waiting.set(poll.session, polls.add(poll));
    this.#count++;
    try {
      return await poll.run();
    } finally {
      this.#count--;
      polls.delete(poll);
      if (polls.size === 0) this.#waiting.delete(poll.session);
    }
  }

  /** Ends all polls, so that the browsers ask other gateways. */
  close(): void {
    for (const polls of this.#waiting.values()) for (const poll of polls) poll.close();
  }

  #look(session: string | undefined): void {
    const all = session === undefined ? [...this.#waiting.values()] : [this.#waiting.get(session) ?? []];
    for (const polls of all) for (const poll of polls) poll.look();
  }
}
