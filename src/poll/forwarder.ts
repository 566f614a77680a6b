import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { within } from '../patience.ts';
import { Failures, isExpected, Repeats } from '../repeats.ts';
import type { Inbox, Letter } from './inbox.ts';
import { forward, type InboxRequestOptions } from './inbox-request.ts';
import { LetterQueues } from './letter-queues.ts';

/** How long a gateway forwards after it has asked last (ms). If it dies, another one takes over then. */
const LEASE = 5000;
/** How long one read waits for letters (ms); the lease is renewed in between. */
const READ = 1000;
/** The pause after a turn that has failed (ms). */
const AGAIN = 200;
/** Most letters that are held, and most of one read. */
const MOST_HELD = 500;
const MOST_READ = 100;
/** How often a letter is tried. */
const TRIES = 5;
/** The pause before the second try (ms). It doubles with each further one, up to the longest. */
const PAUSE = 500;
const LONGEST_PAUSE = 5000;
/** How long a stop waits for requests that are under way (ms). */
const STOPPING = 2000;

export interface ForwarderOptions extends InboxRequestOptions {
  inbox: Inbox;
  logger: Logger;
}

/**
 * Forwards what browsers have sent to the application. Of all gateways one does, and the others wait for its lease to end: so the order of each
 * session is kept without a word between them.
 *
 * Invariant: a letter is tried only while this gateway has the lease, by its own clock, and only if every earlier letter of its session was done
 * or buried.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #failures: Failures;
  readonly #repeats = new Repeats();
  readonly #stopping = new AbortController();
  /** Aborts requests that are still under way at the end of a stop. */
  readonly #leaving = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  /** Until when this gateway has the lease (ms, monotonic clock). */
  #until = 0;
  /** Whether letters may have been given to this gateway in an answer that was lost. */
  #isDoubtful = false;
  /** Counts the leases: letters of an earlier one belong to whoever has taken over. */
  #turn = 0;
  #queues = new LetterQueues(async () => undefined);
  #running: Promise<void> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#failures = new Failures(options.logger);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops taking letters, and lets another gateway forward. May be called twice, and before `start`. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (!this.#running) return;
    await within(STOPPING, Promise.all([this.#running, ...this.#underWay]));
    this.#leaving.abort();
    if (this.#has)
      await within(
        STOPPING,
        this.#options.inbox.lease(1).catch(() => false),
      );
  }

  get #has(): boolean {
    return performance.now() < this.#until;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#take();
      } catch (error) {
        this.#failures.log('inbox_turn_failed', error);
        this.#isDoubtful = true;
        await this.#pause(AGAIN);
      }
    }
  }

  /** One turn: renews the lease, and takes letters. */
  async #take(): Promise<void> {
    const { inbox, logger } = this.#options;
    const asked = performance.now();
    if (!(await inbox.lease(LEASE))) {
      this.#until = 0;
      await this.#pause(READ);
      return;
    }
    // Letters are left alone from the moment at which a lease has ended, so they are taken over then, even by the same gateway.
    const isKept = this.#has;
    const left = isKept && !this.#isDoubtful ? [] : await inbox.takeOver();
    this.#until = asked + LEASE;
    this.#isDoubtful = false;
    if (!isKept) {
      const turn = ++this.#turn;
      this.#queues = new LetterQueues((letter) => this.#keep(this.#deliver(letter, turn)));
      logger.info({ event: 'inbox_forwards', left: left.length });
    }
    for (const letter of left) this.#queues.add(letter);
    const room = Math.min(MOST_READ, MOST_HELD - this.#queues.held);
    if (room <= 0) await this.#pause(READ / 10);
    else for (const letter of await inbox.next(room, READ)) this.#queues.add(letter);
  }

  async #keep(delivery: Promise<void>): Promise<void> {
    this.#underWay.add(delivery);
    await delivery.finally(() => this.#underWay.delete(delivery));
  }

  /** Tries the letter until it is done or buried, or until this gateway forwards no longer. */
  async #deliver(letter: Letter, turn: number): Promise<void> {
    let reason = 'the gateways that have tried it have died';
    for (let pause = PAUSE; this.#mayTry(turn); pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        if (!letter.isCounted && letter.tries >= TRIES) return await this.#bury(letter, reason);
        if (!letter.isCounted) await this.#count(letter);
        const answer = await forward(letter, this.#options, this.#leaving.signal);
        return await this.#done(letter, answer, turn);
      } catch (error) {
        if (this.#leaving.signal.aborted) return;
        // What the store does not do is no fault of the letter.
        if (!isExpected(error)) {
          letter.isCounted = false;
          reason = reasonOf(error);
          this.#tell(reason);
        }
        if (isExpected(error) || letter.tries < TRIES) await this.#pause(pause);
      }
    }
  }

  #mayTry(turn: number): boolean {
    return turn === this.#turn && this.#has && !this.#stopping.signal.aborted;
  }

  async #count(letter: Letter): Promise<void> {
    await this.#options.inbox.count({ ...letter, tries: letter.tries + 1 });
    letter.tries++;
    letter.isCounted = true;
  }

  /** The application has the letter: it is not sent again, whatever the store answers. */
  async #done(letter: Letter, answer: string, turn: number): Promise<void> {
    const { inbox } = this.#options;
    while (turn === this.#turn && !this.#leaving.signal.aborted) {
      try {
        await inbox.done(letter, answer);
        return;
      } catch (error) {
        this.#failures.log('inbox_done_failed', error);
        await wait(PAUSE);
        // The answer may have been lost on the way.
        if (!(await inbox.isPending(letter).catch(() => true))) return;
      }
    }
  }

  async #bury(letter: Letter, reason: string): Promise<void> {
    const { inbox, logger } = this.#options;
    await inbox.bury(letter, reason);
    logger.warn({ event: 'inbox_letter_buried', id: letter.entry, reason });
  }

  #tell(reason: string): void {
    const times = this.#repeats.due(reason);
    if (times > 0) {
      this.#options.logger.warn({ event: 'inbox_not_forwarded', reason, ...(times > 1 && { times }) });
    }
  }

  async #pause(ms: number): Promise<void> {
    // It rejects if the forwarder is stopped meanwhile.
    await wait(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
