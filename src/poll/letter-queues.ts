import type { Letter } from './inbox.ts';

/** How many sessions are served at a time. */
const AT_A_TIME = 32;

/**
 * Letters by session: those of one session are handled one after the other, and many sessions at a time.
 *
 * Invariant: while a letter is handled, no later one of its session is.
 */
export class LetterQueues {
  readonly #handle: (letter: Letter) => Promise<void>;
  readonly #queues = new Map<string, Letter[]>();
  /** The sessions that have letters and wait for their turn. */
  readonly #ready: string[] = [];
  /** The entries of all letters that wait or are being handled. */
  readonly #entries = new Set<string>();
  #running = 0;

  /** @param handle never rejects */
  constructor(handle: (letter: Letter) => Promise<void>) {
    this.#handle = handle;
  }

  /** How many letters wait or are being handled. */
  get held(): number {
    return this.#entries.size;
  }

  /** A letter that is held already is not added again. */
  add(letter: Letter): void {
    if (this.#entries.has(letter.entry)) return;
    this.#entries.add(letter.entry);
    const queue = this.#queues.get(letter.session);
    if (queue) {
      queue.push(letter);
      return;
    }
    this.#queues.set(letter.session, [letter]);
    this.#ready.push(letter.session);
    this.#next();
  }

  #next(): void {
    while (this.#running < AT_A_TIME) {
      const session = this.#ready.shift();
      if (session === undefined) return;
      this.#running++;
      void this.#serve(session);
    }
  }

  /** Handles one letter of the session, and puts the session behind the others. */
  async #serve(session: string): Promise<void> {
    const queue = this.#queues.get(session)!;
    await this.#handle(queue[0]!);
    this.#entries.delete(queue.shift()!.entry);
    this.#running--;
    if (queue.length > 0) this.#ready.push(session);
    else this.#queues.delete(session);
    this.#next();
  }
}
