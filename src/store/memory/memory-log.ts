import {
  type Counter,
  knownFor,
  type Publication,
  type ReadRequest,
  type Retention,
  type Slice,
} from '../../backlog/backlog.ts';
import { judgeSlice } from '../../backlog/gap.ts';
import { SisyphusError } from '../../errors.ts';
import type { Message } from '../../message/message.ts';
import { placeOf } from '../../message/place.ts';
import { BEGINNING, isAfter, justAfter, laterOf, type Position, positionBefore } from '../../message/position.ts';
import type { RightsChange } from '../../message/rights-change.ts';

/** With each published message, so many channels are searched for expired messages. */
const SWEPT_PER_MESSAGE = 2;

interface ChannelLog {
  head: Position;
  revision: number;
  /** In id order. */
  entries: Message[];
}

/** The clock, and the counters and backlog of each channel. Messages are kept by retention, counters longer: see knownFor. */
export class MemoryLog {
  readonly born: Position;
  readonly #retention: (channel: string) => Retention;
  readonly #now: () => number;
  readonly #channels = new Map<string, ChannelLog>();
  #last: Position;
  #sweeping: Iterator<[string, ChannelLog]> | undefined;
  #closed = false;

  /** `now` in milliseconds. */
  constructor(retention: (channel: string) => Retention, now: () => number) {
    this.#retention = retention;
    this.#now = now;
    this.born = positionBefore(0, now());
    this.#last = this.born;
  }

  /** The last id that was assigned. */
  get last(): Position {
    return this.#last;
  }

  /** How many messages are kept, in all channels. */
  get size(): number {
    let size = 0;
    for (const { entries } of this.#channels.values()) size += entries.length;
    return size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.#channels.clear();
  }

  /** @throws SisyphusError `redis_unavailable` if the log is closed, as with a Redis that cannot be reached */
  requireOpen(): void {
    if (this.#closed) throw new SisyphusError('redis_unavailable', 'the store in memory is closed');
  }

  headOf(channel: string): Position {
    return this.#channels.get(channel)?.head ?? BEGINNING;
  }

  counterOf(channel: string): Counter {
    const { head = BEGINNING, revision = 0 } = this.#channels.get(channel) ?? {};
    return { revision, last: head };
  }

  /** Gives out an id. */
  next(): Position {
    this.#last = laterOf(justAfter(this.#last), positionBefore(0, this.#now()));
    return this.#last;
  }

  /** Records one message; `rights` is called with its id. */
  append(
    { channel, data, event, trace }: Publication & Partial<Pick<Message, 'trace'>>,
    rights: (id: Position) => RightsChange | undefined,
  ): Message {
    this.next();
    const log = this.#channels.get(channel) ?? { head: BEGINNING, revision: 0, entries: [] };
    const message: Message = {
      channel,
      id: this.#last,
      revision: log.revision + 1,
      previous: log.head,
      place: placeOf(this.#last),
      event,
      // A copy: the publisher's buffer may be a small part of a large request, or be written to again.
      payload: Buffer.from(data),
      oversize: false,
      trace,
      rights: rights(this.#last),
    };
    log.head = message.id;
    log.revision = message.revision;
    log.entries.push(message);
    this.#channels.set(channel, log);
    this.#trim(channel, log);
    this.#sweep();
    return message;
  }

  read({ channel, after, upTo, last }: ReadRequest): Slice {
    const log = this.#channels.get(channel);
    const kept = log ? log.entries.slice(indexAfter(log.entries, last === undefined ? after : BEGINNING)) : [];
    const { ttl, isConflated } = this.#retention(channel);
    const { messages, gap } = judgeSlice({
      after,
      head: this.headOf(channel),
      entries: kept,
      ttl,
      isConflated,
      now: this.#now(),
      knownSince: positionBefore(knownFor(ttl), this.#now()),
    });
    const wanted = messages.filter(({ id }) => !isAfter(id, upTo));
    return {
      channel,
      messages: wanted.slice(last === undefined ? 0 : Math.max(0, wanted.length - last)),
      gap: last === undefined && isAfter(upTo, after) ? gap : undefined,
    };
  }

  #trim(channel: string, { entries }: ChannelLog): void {
    const { length, ttl } = this.#retention(channel);
    const oldest = positionBefore(ttl, this.#now());
    let gone = Math.max(0, entries.length - length);
    while (gone < entries.length && isAfter(oldest, entries[gone]!.id)) gone++;
    if (gone > 0) entries.splice(0, gone);
  }

  /** Whether the channel's last message is so old that no reader can miss it any more: see knownFor. */
  #isForgotten(channel: string, { head }: ChannelLog): boolean {
    return isAfter(positionBefore(knownFor(this.#retention(channel).ttl), this.#now()), head);
  }

  /** Trims a few channels with each message: silent channels would keep their backlogs, and trimming all at once would take long. */
  #sweep(): void {
    for (let i = 0; i < SWEPT_PER_MESSAGE; i++) {
      this.#sweeping ??= this.#channels.entries();
      const { done, value } = this.#sweeping.next();
      if (done) {
        this.#sweeping = undefined;
        continue;
      }
      const [channel, log] = value as [string, ChannelLog];
      this.#trim(channel, log);
      if (this.#isForgotten(channel, log)) this.#channels.delete(channel);
    }
  }
}

/** The index of the first entry after this position; searched from the end, because most readers are near it. */
function indexAfter(entries: Message[], after: Position): number {
  let index = entries.length;
  while (index > 0 && isAfter(entries[index - 1]!.id, after)) index--;
  return index;
}
