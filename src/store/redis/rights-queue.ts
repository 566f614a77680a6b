import type { ListRequest } from '../../backlog/backlog.ts';

/**
 * Members of lists that one call reads: Redis compares each with its former state, about 0.4 us, and answers no other client
 * meanwhile. A Redis that has a quarter of a core needs 10 ms for them.
 */
const MEMBERS = 4000;
/** Calls that are under way at a time: while Redis answers one, the next has arrived. */
const CALLS = 2;
/** A list of unknown length counts as one of so many members, until others have been read. */
const FIRST_GUESS = 16;
/** How much an answer changes that guess. */
const WEIGHT = 0.05;

interface Waiting<Request, Answer> {
  request: Request;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

export interface RightsQueueOptions<Request, Answer> {
  /** Answers in the order of the requests. */
  run: (requests: Request[]) => Promise<Answer[]>;
  /** How many members a list turned out to have, if the answer tells. */
  sizeOf: (answer: Answer) => number | undefined;
  members?: number;
}

/**
 * Reads lists in the order of their requests: many in one call, as much as Redis can answer in a moment, and two calls at a time.
 * So other commands have their turn between them, for any number of lists of any length. A list is not read if its `signal` is
 * aborted.
 */
export class RightsQueue<Request extends Pick<ListRequest, 'size' | 'signal'>, Answer> {
  readonly #run: RightsQueueOptions<Request, Answer>['run'];
  readonly #sizeOf: RightsQueueOptions<Request, Answer>['sizeOf'];
  readonly #members: number;
  #waiting: Waiting<Request, Answer>[] = [];
  /** The index of the first of those that is in no call yet. */
  #next = 0;
  #calls = 0;
  #guess = FIRST_GUESS;
  #isScheduled = false;

  constructor({ run, sizeOf, members = MEMBERS }: RightsQueueOptions<Request, Answer>) {
    this.#run = run;
    this.#sizeOf = sizeOf;
    this.#members = members;
  }

  /** @throws the reason of the signal, if it is aborted before the list was requested */
  ask(requests: Request[]): Promise<Answer[]> {
    const answers = requests.map(
      (request) =>
        new Promise<Answer>((resolve, reject) => {
          this.#waiting.push({ request, resolve, reject });
        }),
    );
    this.#schedule();
    return Promise.all(answers);
  }

  /** Requests of one turn of the event loop go together. */
  #schedule(): void {
    if (this.#isScheduled || this.#calls >= CALLS) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      while (this.#calls < CALLS && this.#next < this.#waiting.length) this.#call(this.#take());
    });
  }

  #take(): Waiting<Request, Answer>[] {
    const taken: Waiting<Request, Answer>[] = [];
    let members = 0;
    while (this.#next < this.#waiting.length) {
      const waiting = this.#waiting[this.#next]!;
      const { size, signal } = waiting.request;
      const isWanted = !signal?.aborted;
      // Reading a list has a cost even if the list is empty.
      const weight = isWanted ? Math.max(1, size ?? this.#guess) : 0;
      if (members > 0 && members + weight > this.#members) break;
      members += weight;
      this.#next++;
      if (isWanted) taken.push(waiting);
      else waiting.reject(signal!.reason);
    }
    if (this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    } else if (this.#next > 1000) {
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
    }
    return taken;
  }

  #call(waiting: Waiting<Request, Answer>[]): void {
    if (waiting.length === 0) return;
    this.#calls++;
    this.#run(waiting.map(({ request }) => request))
      .then(
        (answers) => {
          for (const [i, { resolve }] of waiting.entries()) {
            const answer = answers[i]!;
            const size = this.#sizeOf(answer);
            if (size !== undefined) this.#guess += (size - this.#guess) * WEIGHT;
            resolve(answer);
          }
        },
        (error: unknown) => {
          for (const { reject } of waiting) reject(error);
        },
      )
      .finally(() => {
        this.#calls--;
        this.#schedule();
      });
  }
}
