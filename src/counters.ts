import type { Name } from './config/variables.ts';
import type { CloseReason } from './connection/close-reason.ts';
import type { Refusal } from './connection/refusal.ts';
import type { Timed, Transport } from './connection/transport.ts';
import { createHistogram, type Histogram, observe } from './histogram.ts';
import type { ResetReason } from './message/reset.ts';

export type Tally<Word extends string> = Partial<Record<Word, number>>;

/** From where the messages of a replay came: from the memory of the gateway alone, or also from the backlogs in the store. */
export type ReplaySource = 'memory' | 'backlog';

/** Upper bounds of the time from the id of a message to its last write (s). */
const LATENCIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Upper bounds of a round trip to the store (s). */
const ROUND_TRIPS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
/** Upper bounds of the messages of one replay. */
const REPLAY_SIZES = [0, 1, 10, 100, 1000, 10_000];

/** The counts of a gateway process since its start, as plain JSON. A reason that never occurred has no member. */
export type Counts = {
  /** Streams that got their `ok`. */
  opened: Tally<Transport>;
  /** Messages of followed channels that came from the store, each once, and the bytes of their texts. */
  received: { messages: number; bytes: number };
  /** Messages that were given to readers, each reader counted, and the bytes of their texts. */
  delivered: { messages: number; bytes: number };
  /** From the id of a message to its last write by the transport (s); once for each message, and not for each stream or poll. */
  latency: Record<Timed, Histogram>;
  /** The messages of each replay. */
  replays: Record<ReplaySource, Histogram>;
  /** Round trips to the store (s). */
  roundTrips: Histogram;
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

/** Counts events for `/status` and `/metrics`. All parts of the gateway share one object. */
export class Counters {
  readonly #counts = nothing();
  // These two are counted for each reader of each message, and a field of the class is the cheapest to increase.
  #delivered = 0;
  #deliveredBytes = 0;

  streamOpened(transport: Transport): void {
    increase(this.#counts.opened, transport);
  }

  messageReceived(bytes: number): void {
    this.#counts.received.messages++;
    this.#counts.received.bytes += bytes;
  }

  messageDelivered(bytes: number): void {
    this.#delivered++;
    this.#deliveredBytes += bytes;
  }

  /** @param after so long after its id (s) */
  messageWritten(transport: Timed, after: number): void {
    observe(this.#counts.latency[transport], LATENCIES, after);
  }

  replayed(source: ReplaySource, messages: number): void {
    observe(this.#counts.replays[source], REPLAY_SIZES, messages);
  }

  /** @param within the time that it took (s) */
  storeAnswered(within: number): void {
    observe(this.#counts.roundTrips, ROUND_TRIPS, within);
  }

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
    const delivered = { messages: this.#delivered, bytes: this.#deliveredBytes };
    return sum([{ ...this.#counts, delivered }]);
  }
}

/** Adds up the counts of several processes. */
export function sum(counts: Counts[]): Counts {
  const total = nothing();
  for (const one of counts) add(total, one);
  return total;
}

type Figures = { [name: string]: number | Figures };

/** Adds figures to others, by their names. */
export function add(total: Figures, more: Figures): void {
  for (const [name, figure] of Object.entries(more)) {
    if (typeof figure === 'number') total[name] = ((total[name] as number | undefined) ?? 0) + figure;
    else {
      // A worker may be of another version than the primary, and count what that one does not know.
      total[name] ??= {};
      add(total[name] as Figures, figure);
    }
  }
}

/** Counts one more of a word. */
export function increase<Word extends string>(tally: Tally<Word>, word: Word): void {
  tally[word] = (tally[word] ?? 0) + 1;
}

function nothing(): Counts {
  const none = (): Counts['received'] => ({ messages: 0, bytes: 0 });
  const sizes = (): Histogram => createHistogram(REPLAY_SIZES);
  const times = (): Histogram => createHistogram(LATENCIES);
  return {
    opened: {},
    received: none(),
    delivered: none(),
    latency: { stream: times(), poll: times(), rt: times(), 'sock.it': times() },
    replays: { memory: sizes(), backlog: sizes() },
    roundTrips: createHistogram(ROUND_TRIPS),
    healed: 0,
    duplicates: 0,
    unconfirmed: 0,
    resets: {},
    closed: {},
    refused: {},
    limits: {},
    dropped: 0,
    undelivered: 0,
    recorder: { recorded: 0, unrecordable: 0, fenced: 0, changes: 0 },
  };
}
