import type { Message } from '../message/message.ts';
import { BEGINNING, END, isAfter, type Position } from '../message/position.ts';
import type { BacklogReader } from './backlog.ts';

/** The most bytes of messages in an answer; a single message that is larger has an answer of its own. */
const MOST_BYTES = 1_048_576;

/** Which messages of a channel are asked for; revisions are as in `Message`. */
export interface HistoryQuery {
  /** Messages with a later revision, the first ones of them. */
  after?: number | undefined;
  /** Messages with an earlier revision, the last ones of them. */
  before?: number | undefined;
  /** Messages with a later id, the first ones of them. */
  since?: Position | undefined;
  /** How many at most. */
  limit: number;
}

export interface History {
  /** The revision of the first message that is kept, and of the last one; `undefined` if none is. */
  oldest: number | undefined;
  newest: number | undefined;
  /** Whether messages that were asked for are gone, or the revisions have begun anew. */
  isReset: boolean;
  /** In the order of revisions. */
  messages: Message[];
}

/**
 * Reads a part of what is kept of a channel. Without `after`, `before` and `since` it is the last messages.
 * Those that would make it larger than `MOST_BYTES` are left out: the last ones with `after` or `since`, else the first ones.
 *
 * @param upTo the position of the gateway: it has received everything up to there
 */
export async function readHistory(
  backlog: BacklogReader,
  channel: string,
  upTo: Position,
  { after, before, since, limit }: HistoryQuery,
): Promise<History> {
  const read = (start: { after: Position; last?: number }, most: number) =>
    take(backlog, { channel, upTo, ...start }, most);
  const [[first], [last]] = await Promise.all([
    read({ after: BEGINNING }, 1).then(({ messages }) => messages),
    read({ after: BEGINNING, last: 1 }, 1).then(({ messages }) => messages),
  ]);
  const [oldest, newest] = [first?.revision, last?.revision];
  if (oldest === undefined || newest === undefined) {
    return { oldest, newest, isReset: (after ?? 0) > 0 || since !== undefined, messages: [] };
  }
  if (since !== undefined) {
    const { messages, isReset } = await read({ after: since }, limit);
    return { oldest, newest, isReset, messages };
  }
  const isAhead = after !== undefined && after > newest;
  const from = isAhead ? oldest : Math.max(oldest, (after ?? 0) + 1);
  const to = before === undefined ? newest : Math.min(newest, before - 1);
  // Only `after` begins at the front; otherwise the last ones are meant.
  const start = after === undefined ? Math.max(from, to - limit + 1) : from;
  const isReset = isAhead || (after !== undefined && after + 1 < oldest);
  if (start > to) return { oldest, newest, isReset, messages: [] };
  const { messages } = await take(
    backlog,
    { channel, upTo, after: BEGINNING, last: newest - start + 1 },
    Math.min(limit, to - start + 1),
    after === undefined,
  );
  return { oldest, newest, isReset, messages: messages.filter(({ revision }) => revision >= start && revision <= to) };
}

/**
 * Reads the last message of a channel that keeps one, whose rule may be new. It is read up to the very end, because a later one may
 * have replaced the one before the position of the gateway.
 */
export async function readNewest(
  backlog: BacklogReader,
  channel: string,
  { after = 0, before = Number.POSITIVE_INFINITY, since }: Omit<HistoryQuery, 'limit'>,
): Promise<History> {
  const read = (start: { after: Position; last?: number }) => take(backlog, { channel, upTo: END, ...start }, 1);
  const [{ messages }, isMissed] = await Promise.all([
    read({ after: BEGINNING, last: 1 }),
    since !== undefined && read({ after: since }).then(({ isReset }) => isReset),
  ]);
  const [newest] = messages;
  if (!newest) return { oldest: undefined, newest: undefined, isReset: after > 0 || since !== undefined, messages: [] };
  const { id, revision } = newest;
  const isAhead = after > revision;
  const isWanted = revision < before && (isAhead || revision > after) && isAfter(id, since ?? BEGINNING);
  return { oldest: revision, newest: revision, isReset: isAhead || isMissed, messages: isWanted ? messages : [] };
}

/** Reads pages until there are so many messages. `keepsLast`: if they are too large for an answer, the first ones are left out. */
async function take(
  backlog: BacklogReader,
  request: { channel: string; after: Position; upTo: Position; last?: number },
  most: number,
  keepsLast = false,
): Promise<{ messages: Message[]; isReset: boolean }> {
  const leaving = new AbortController();
  const reading = await backlog.open([request], leaving.signal);
  const taken = new Taken(most, keepsLast);
  let isReset = reading.gaps.size > 0;
  while (!taken.isFull) {
    const page = await reading.next();
    if (!page) break;
    isReset ||= page.gaps.size > 0;
    for (const message of page.messages) taken.add(message);
  }
  leaving.abort();
  // The call says that the last page is no longer needed; it reads nothing more.
  await reading.next().catch(() => undefined);
  return { messages: taken.messages, isReset };
}

/** The messages of an answer, as they are read. */
class Taken {
  readonly messages: Message[] = [];
  readonly #keepsLast: boolean;
  /** How many more may be added. */
  #left: number;
  #bytes = 0;

  constructor(most: number, keepsLast: boolean) {
    this.#left = most;
    this.#keepsLast = keepsLast;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  add(message: Message): void {
    if (this.isFull) return;
    this.#left--;
    this.messages.push(message);
    this.#bytes += message.payload.length;
    while (this.#bytes > MOST_BYTES && this.messages.length > 1) {
      const excess = this.#keepsLast ? this.messages.shift() : this.messages.pop();
      this.#bytes -= excess!.payload.length;
      if (!this.#keepsLast) this.#left = 0;
    }
  }
}
