import type { CloseReason } from './connection/close-reason.ts';
import type { Refusal } from './connection/refusal.ts';
import type { ResetReason } from './message/reset.ts';

type Tally<Word extends string> = Partial<Record<Word, number>>;

/** What a gateway process has counted since its start, as plain JSON. A word that never came is absent. */
export type Counts = {
  /** Messages that were not heard, and that streams got from the backlogs. */
  healed: number;
  /** Messages that were heard again, and dropped. */
  duplicates: number;
  /** Messages that were heard, and that the store does not have; of those that were given before it was asked, the last. */
  unconfirmed: number;
  /** Resets that were told to readers, each reader counted. */
  resets: Tally<ResetReason>;
  /** Streams that ended, whoever ended them. */
  closed: Tally<CloseReason>;
  /** Streams that were refused: they were told this word, and never `ok`. */
  refused: Tally<Refusal>;
  /** Connections that were closed without a response, for want of files. */
  dropped: number;
  /** Plain PUBLISHes that this process recorded, or could not; how often it was fenced off, and how often it began to lead. */
  recorder: { recorded: number; unrecordable: number; fenced: number; changes: number };
};

/** Counts for whoever asks how the gateway does: one object, given to each part that has something to count. */
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

  connectionDropped(): void {
    this.#counts.dropped++;
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

/** Adds up what several processes have counted. */
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
  return { healed: 0, duplicates: 0, unconfirmed: 0, resets: {}, closed: {}, refused: {}, dropped: 0, recorder };
}
