import type { Name } from './config/config.ts';
import type { CloseReason } from './connection/close-reason.ts';
import type { Refusal } from './connection/refusal.ts';
import type { ResetReason } from './message/reset.ts';

type Tally<Word extends string> = Partial<Record<Word, number>>;

/** The counts of a gateway process since its start, as plain JSON. A reason that never occurred has no member. */
export type Counts = {
  /** Messages that were missed on the subscription, and that streams got from the backlogs. */
  healed: number;
  /** Messages that were received again, and dropped. */
  duplicates: number;
  /** Received messages that the store does not have. Of those that were delivered before the store was asked, only the last is counted. */
  unconfirmed: number;
  /** Resets that were sent, once for each reader. */
  resets: Tally<ResetReason>;
  /** Streams that ended, by the gateway or by the client. */
  closed: Tally<CloseReason>;
  /** Streams that were refused: they got this word as the reason, and never the status `ok`. */
  refused: Tally<Refusal>;
  /** What was refused or ended because of a limit: streams and requests, by the variable that sets the limit. */
  limits: Tally<Name>;
  /** Connections that were closed without a response, because the process could not open more files, or because too many sent nothing. */
  dropped: number;
  /** Messages for browsers that were dropped, because too many waited in their poll sessions. */
  undelivered: number;
  /** Plain PUBLISHes that this process recorded, or could not record; how often it was fenced off, and how often it began to lead. */
  recorder: { recorded: number; unrecordable: number; fenced: number; changes: number };
};

/** Counts events for `/status`. All parts of the gateway share one object. */
export class Counters {
  readonly #counts = nothing();

  messageHealed(): void {
    this.#counts.healed++;
  }

  duplicateDropped(): void {
    this.#counts.duplicates++;
  }

  messageUnconfirmed(): void {
    this.#counts.unconfirmed++;
  }

  readerReset(reason: ResetReason): void {
    increase(this.#counts.resets, reason);
  }

  streamClosed(reason: CloseReason): void {
    increase(this.#counts.closed, reason);
  }

  streamRefused(word: Refusal): void {
    increase(this.#counts.refused, word);
  }

  limitReached(limit: Name): void {
    increase(this.#counts.limits, limit);
  }

  connectionDropped(): void {
    this.#counts.dropped++;
  }

  pollMessagesDropped(dropped: number): void {
    this.#counts.undelivered += dropped;
  }

  plainRecorded(recorded: number, unrecordable: number): void {
    this.#counts.recorder.recorded += recorded;
    this.#counts.recorder.unrecordable += unrecordable;
  }

  recorderFenced(): void {
    this.#counts.recorder.fenced++;
  }

  recorderLeads(): void {
    this.#counts.recorder.changes++;
  }

  snapshot(): Counts {
    return sum([this.#counts]);
  }
}

/** Adds up the counts of several processes. */
export function sum(counts: Counts[]): Counts {
  const total = nothing();
  for (const one of counts) add(total, one);
  return total;
}

type Figures = { [name: string]: number | Figures };

function add(total: Figures, more: Figures): void {
  for (const [name, figure] of Object.entries(more)) {
    if (typeof figure === 'number') total[name] = ((total[name] as number | undefined) ?? 0) + figure;
    else add(total[name] as Figures, figure);
  }
}

function increase<Word extends string>(tally: Tally<Word>, word: Word): void {
  tally[word] = (tally[word] ?? 0) + 1;
}

function nothing(): Counts {
  const recorder = { recorded: 0, unrecordable: 0, fenced: 0, changes: 0 };
  const tallies = { resets: {}, closed: {}, refused: {}, limits: {} };
  return { healed: 0, duplicates: 0, unconfirmed: 0, ...tallies, dropped: 0, undelivered: 0, recorder };
}
