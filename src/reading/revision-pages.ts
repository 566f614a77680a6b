import type { Page, Reading } from '../backlog/backlog.ts';
import type { Message } from '../message/message.ts';
import { isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

/** What a client is to get of a channel, and how far it has got it. */
export interface Due {
  /** The revision of the last message that the client has; 0: it has none yet, so it misses none of those before the first one. */
  seen: number;
  /** Everything up to this position has been read, or is not for the client. */
  known: Position;
  /** The id of the channel's last message before the end of the reading. */
  readonly last: Position;
  /** Only the last message counts, so the client misses none of those before it. */
  readonly isFinal: boolean;
}

/** The pages of a reading that has the last messages of each channel, without those that the client has seen; and what is missing of them. */
export class RevisionPages implements Reading {
  readonly gaps: Reading['gaps'] = new Map();
  readonly #reading: Reading;
  readonly #due: Map<string, Due>;

  /** @param due one for each channel of the reading */
  constructor(reading: Reading, due: Map<string, Due>) {
    this.#reading = reading;
    this.#due = due;
  }

  async next(): Promise<Page | undefined> {
    const page = await this.#reading.next();
    const gaps = new Map<string, ResetReason>();
    if (page) return { gaps, messages: page.messages.filter((message) => this.#take(message, gaps)) };
    for (const [channel, due] of this.#due) if (misses(due, due.last)) gaps.set(channel, 'expired');
    this.#due.clear();
    return gaps.size > 0 ? { gaps, messages: [] } : undefined;
  }

  /** Notes what is missing before the message. @returns whether it is for the client */
  #take({ channel, revision, id, previous }: Message, gaps: Map<string, ResetReason>): boolean {
    const due = this.#due.get(channel)!;
    if (revision <= due.seen) return false;
    if (revision !== due.seen + 1 && misses(due, previous)) gaps.set(channel, 'trimmed');
    due.seen = revision;
    if (!isAfter(id, due.known)) return false;
    due.known = id;
    return true;
  }
}

/** Whether the client lacks the message with this id, which is gone. */
function misses({ seen, known, isFinal }: Due, id: Position): boolean {
  return seen > 0 && !isFinal && isAfter(id, known);
}
