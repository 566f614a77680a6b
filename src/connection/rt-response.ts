import type { Delivery } from '../message/delivery.ts';
import { BEGINNING, type Position } from '../message/position.ts';
import type { CloseReason } from './close-reason.ts';
import type { Connection } from './connection.ts';
import type { Ending } from './refusal.ts';
import { type ChannelNews, type NewsRules, RtNews } from './rt-news.ts';
import type { WriteTimer } from './write-timer.ts';

/** How long a poll waits for a message (ms). Proxies give up a silent response after 30 s or more. */
const PATIENCE = 25_000;
/** A channel that was reset while the poll waits may be read again: the answer waits so long for the end of that, again and again (ms). */
const AFTER_RESET = 100;

/** The default of the callbacks. All polls share it, because four functions for each of them would cost memory. */
function nothing(): void {}

/** The answer to a poll. */
export interface RtAnswer {
  /** By channel; empty if nothing is new. */
  news: ReadonlyMap<string, ChannelNews>;
  /** The client has everything on its channels up to this position. */
  position: Position;
  /** The channels that the client may not read. */
  denied: readonly string[];
}

/** How a poll ends: with an answer, or for a reason that is an error. */
export type RtOutcome = RtAnswer | { reason: CloseReason; ending: Ending };

/** What is the same for all polls of a gateway. */
export interface RtRules extends NewsRules {
  /** Milliseconds; see `SessionRegistry`. */
  noopInterval: number;
  /** The answer is due if its messages have more bytes than this; the client asks for the rest. */
  maxBuffer: number;
  timer: Pick<WriteTimer, 'begin'>;
}

/**
 * A long poll that asks for each channel from a revision on. It gathers what its session writes, and ends with the first news.
 *
 * States: `replaying` (the session reads what the client has missed; everything is gathered) → `waiting` (the first message, and what comes
 * in the same turn of the event loop, is the answer) → ended. `replayed` leads from the first to the second, or to the end if there is news.
 *
 * Invariant: of each channel the answer has all messages that were written, in order, or `reset` and only the last of them. What is written
 * after the end is read by the next poll, because the client comes back with the revisions that it has.
 */
export class RtResponse implements Connection {
  onClose: (reason: CloseReason) => void = nothing;
  /** Called once, at the end. */
  onEnd: (outcome: RtOutcome) => void = nothing;
  /** Called when the answer is due: the owner gives it by a noop, which says how far the client has come. */
  onDue: () => void = nothing;
  /** The same, as soon as nothing is being read. */
  onReset: () => void = nothing;
  /** The channels that the client may not read now. */
  denials: () => readonly string[] = () => [];
  /** The registry sends a noop one interval after this. */
  readonly lastSent: number;
  readonly #rules: RtRules;
  readonly #news: RtNews;
  #reason: CloseReason | undefined;
  #isReplaying = true;
  #isDue = false;
  #onWritten: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param seen by channel, the revision of the last message that the client has; 0 if the channel is not among these */
  constructor(seen: ReadonlyMap<string, number>, rules: RtRules) {
    this.#rules = rules;
    this.#news = new RtNews(seen, rules);
    this.lastSent = performance.now() + PATIENCE - rules.noopInterval;
  }

  get transport() {
    return 'rt' as const;
  }

  get closed(): boolean {
    return this.#reason !== undefined;
  }

  open(): void {}

  message(delivery: Delivery): void {
    if (this.closed || !this.#news.add(delivery)) return;
    if (!this.#isReplaying && !this.#isDue) this.#onWritten = this.#rules.timer.begin();
    if (this.#news.bytes > this.#rules.maxBuffer) this.onDue();
    else if (!this.#isReplaying && !this.#isDue) setImmediate(() => this.onDue());
    this.#isDue = true;
  }

  reset(channel: string): void {
    if (this.closed) return;
    this.#news.reset(channel);
    if (!this.#isReplaying) this.#timer ??= setInterval(() => this.onReset(), AFTER_RESET);
  }

  denied(): void {}

  noop(position: Position): void {
    this.#end('polled', { news: this.#news.channels, position, denied: this.denials() });
  }

  /** Everything that the client has missed has been written. */
  replayed(): void {
    this.#isReplaying = false;
    if (!this.closed && this.#news.channels.size > 0) this.onDue();
  }

  async drained(): Promise<void> {}

  acknowledged(): undefined {
    return undefined;
  }

  close(reason: CloseReason, position: Position, ending: Ending = {}): void {
    // A gateway that is being stopped, and a client that may read nothing, are no errors: the answer says all there is to say.
    const isAnswer = reason === 'polled' || reason === 'shutdown' || reason === 'denied';
    const denied = reason === 'denied' ? this.denials() : [];
    this.#end(reason, isAnswer ? { news: this.#news.channels, position, denied } : { reason, ending });
  }

  /** The client has closed its connection. */
  hangUp(): void {
    this.close('client', BEGINNING);
  }

  #end(reason: CloseReason, outcome: RtOutcome): void {
    if (this.closed) return;
    this.#reason = reason;
    clearInterval(this.#timer);
    this.onEnd(outcome);
    // The caller may be giving a message to many readers, and this one leaves them.
    setImmediate(() => {
      // The answer was written after the promise that has it.
      this.#onWritten?.();
      this.onClose(reason);
    });
  }
}
