import { Delivery } from '../message/delivery.ts';
import type { Message } from '../message/message.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import { formatRights, parseRights } from '../message/rights-change.ts';
import { TRACE_LENGTH } from '../message/trace.ts';

/** Where a message is kept: the number of its block times the size of a block, plus its offset in the block (bytes). */
export type Entry = number;

/** Instead of an entry: there is no earlier message of the channel. */
export const NONE: Entry = -1;

const BLOCK_BYTES = 1024 * 1024;
const BLOCKS = 16;
/** The most messages kept as objects between two sweeps, for a crowd of readers that come back and ask for the same messages. */
const MOST_READ = 10_000;

/** The layout of an entry, whose size is a multiple of 8 bytes: eight doubles, then the event's name, the change of rights, the trace, the payload. */
const HEADER = 64;
const ID = 0;
/** The channel had no message between this position and the entry's. */
const KNOWN = 1;
/** The channel's entry before this one. */
const BEFORE = 2;
const REVISION = 3;
const PREVIOUS = 4;
/** The id of the message's place. */
const PLACE = 5;
/** The last two doubles hold four words: the lengths of payload, rights, and event (the last with two flags), and the place's number. */
const PAYLOAD_LENGTH = 12;
const RIGHTS_LENGTH = 13;
const EVENT_LENGTH = 14;
const PLACE_NUMBER = 15;
/** The flag for an oversize message, in the word of the event's length: the length of an event's name is 128 at most. */
const OVERSIZE = 1 << 16;
/** The same for a message with a trace, whose length is always the same. */
const TRACED = 1 << 17;

/** Whether the entry, whose doubles begin at `i`, is the first of those that are wanted. */
type IsFirst = (block: Block, i: number) => boolean;

class Block {
  readonly bytes: Buffer;
  readonly doubles: Float64Array;
  readonly words: Uint32Array;
  used = 0;
  /** The highest id in the block: after a healing, entries are not always in the order of ids. */
  latest = BEGINNING;

  constructor(size: number) {
    // The operating system gives memory only to pages that have been written.
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.doubles = new Float64Array(this.bytes.buffer);
    this.words = new Uint32Array(this.bytes.buffer);
  }
}

/**
 * The messages that this process received last, as bytes in a few blocks. When all blocks are full, the oldest one is dropped.
 *
 * The messages are outside of the heap on purpose: as objects, 60,000 messages (3,000 a second, 20 s) were copied and marked by the garbage
 * collector again and again, which raised a 99th percentile of 0.3 ms to 2 to 17 ms. With 200 bytes of payload, a message is written in
 * 0.09 µs, with nothing left to collect, and made an object again in 0.7 µs.
 *
 * Invariant: from a channel's last entry, `BEFORE` leads back through all of its messages, in the order in which they were received and
 * without a hole, to the first one that is gone; every message before that is gone too.
 */
export class RecentMessages {
  readonly #blockSize: number;
  readonly #mostBlocks: number;
  /** Oldest first; new messages are written to the last one. A gateway with little traffic has one or two. */
  readonly #blocks: Block[] = [];
  /** The number of the first block in `#blocks`. */
  #first = 0;
  /** A dropped block that will be written again, because its memory is allocated already. */
  #spare: Block | undefined;
  /** Messages with a lower id are not answered any more, even if their block is still there. */
  #forgotten = BEGINNING;
  /** The deliveries made since the last sweep. */
  readonly #read = new Map<Entry, Delivery>();

  /** `blockSize`: in bytes, a multiple of 8. */
  constructor(blockSize = BLOCK_BYTES, mostBlocks = BLOCKS) {
    this.#blockSize = blockSize;
    this.#mostBlocks = mostBlocks;
  }

  get blocks(): number {
    return this.#blocks.length;
  }

  /**
   * Keeps a message. `known`: its channel had no message between this position and the message. `before`: the channel's last entry.
   * Answers the new entry, or `NONE` if the message is larger than a block.
   */
  add(message: Message, known: Position, before: Entry): Entry {
    const { event, rights, trace, payload } = message;
    const eventLength = event === undefined ? 0 : event.length;
    const change = rights ? formatRights(rights) : '';
    const traceLength = trace === undefined ? 0 : TRACE_LENGTH;
    const size = (HEADER + eventLength + change.length + traceLength + payload.length + 7) & ~7;
    if (size > this.#blockSize) return NONE;
    const block = this.#blockFor(size);
    const { bytes, doubles, words, used } = block;
    const i = used / 8;
    doubles[i + ID] = message.id;
    doubles[i + KNOWN] = known;
    doubles[i + BEFORE] = before;
    doubles[i + REVISION] = message.revision;
    doubles[i + PREVIOUS] = message.previous;
    doubles[i + PLACE] = message.place.id;
    words[2 * i + PAYLOAD_LENGTH] = payload.length;
    words[2 * i + RIGHTS_LENGTH] = change.length;
    words[2 * i + EVENT_LENGTH] = eventLength | (message.oversize ? OVERSIZE : 0) | (trace ? TRACED : 0);
    words[2 * i + PLACE_NUMBER] = message.place.number;
    const text = used + HEADER;
    if (eventLength > 0) bytes.write(event!, text, 'latin1');
    if (rights) bytes.write(change, text + eventLength, 'latin1');
    if (trace) bytes.write(trace, text + eventLength + change.length, 'latin1');
    bytes.set(payload, text + eventLength + change.length + traceLength);
    block.used += size;
    block.latest = laterOf(block.latest, message.id);
    return (this.#first + this.#blocks.length - 1) * this.#blockSize + used;
  }

  /**
   * The messages of a channel after a position. `last`: the channel's last entry, which is later than that position. Answers `undefined` if
   * any of the messages is gone, if there are more than `messages`, or if their payloads have more than `bytes` bytes.
   */
  since(after: Position, channel: string, last: Entry, messages: number, bytes: number): Delivery[] | undefined {
    const isFirst: IsFirst = ({ doubles }, i) => !isAfter(doubles[i + KNOWN] as Position, after);
    return this.#back(isFirst, channel, last, messages, bytes);
  }

  /** The same after a revision, which is earlier than that of the last entry. */
  sinceRevision(revision: number, channel: string, last: Entry, messages: number, bytes: number) {
    const isFirst: IsFirst = ({ doubles }, i) => doubles[i + REVISION]! <= revision + 1;
    const found = this.#back(isFirst, channel, last, messages, bytes);
    return found?.[0]?.message.revision === revision + 1 ? found : undefined;
  }

  /** The messages of a channel from one entry to its last one, in the order in which they were received. */
  #back(isFirst: IsFirst, channel: string, last: Entry, messages: number, bytes: number): Delivery[] | undefined {
    const entries: Entry[] = [];
    let payload = 0;
    let isReached: boolean;
    let entry = last;
    do {
      const block = this.#blockOf(entry);
      if (!block) return undefined;
      const i = (entry % this.#blockSize) / 8;
      if (isAfter(this.#forgotten, block.doubles[i + ID] as Position)) return undefined;
      payload += block.words[2 * i + PAYLOAD_LENGTH]!;
      if (entries.push(entry) > messages || payload > bytes) return undefined;
      isReached = isFirst(block, i);
      entry = block.doubles[i + BEFORE]!;
    } while (!isReached);
    return entries.reverse().map((entry) => this.#delivery(entry, channel));
  }

  /** Forgets the messages before this position. */
  forget(before: Position): void {
    this.#forgotten = before;
    this.#read.clear();
    while (this.#blocks.length > 0 && isAfter(before, this.#blocks[0]!.latest)) this.#spare = this.#dropFirst();
  }

  /** The block to write to, with room for `size` bytes. */
  #blockFor(size: number): Block {
    const current = this.#blocks.at(-1);
    if (current && current.used + size <= this.#blockSize) return current;
    if (this.#blocks.length === this.#mostBlocks) this.#spare = this.#dropFirst();
    const block = this.#spare ?? new Block(this.#blockSize);
    this.#spare = undefined;
    block.used = 0;
    block.latest = BEGINNING;
    this.#blocks.push(block);
    return block;
  }

  #dropFirst(): Block {
    this.#first++;
    return this.#blocks.shift()!;
  }

  /** The entry's block; `undefined` if it is gone. */
  #blockOf(entry: Entry): Block | undefined {
    return this.#blocks[Math.floor(entry / this.#blockSize) - this.#first];
  }

  /** The entry's delivery: one object for all readers that ask for it between two sweeps, so that its frame is encoded once for them. */
  #delivery(entry: Entry, channel: string): Delivery {
    let delivery = this.#read.get(entry);
    if (!delivery) {
      delivery = new Delivery(parse(this.#blockOf(entry)!, entry % this.#blockSize, channel));
      if (this.#read.size >= MOST_READ) this.#read.clear();
      this.#read.set(entry, delivery);
    }
    return delivery;
  }
}

function parse({ bytes, doubles, words }: Block, at: number, channel: string): Message {
  const i = at / 8;
  const event = at + HEADER;
  const lengthAndFlags = words[2 * i + EVENT_LENGTH]!;
  const rights = event + (lengthAndFlags % OVERSIZE);
  const trace = rights + words[2 * i + RIGHTS_LENGTH]!;
  const payload = trace + (lengthAndFlags & TRACED ? TRACE_LENGTH : 0);
  return {
    channel,
    id: doubles[i + ID] as Position,
    revision: doubles[i + REVISION]!,
    previous: doubles[i + PREVIOUS] as Position,
    place: { id: doubles[i + PLACE] as Position, number: words[2 * i + PLACE_NUMBER]! },
    event: rights > event ? bytes.toString('latin1', event, rights) : undefined,
    // A copy, because the block may be written again before a slow reader has taken the message.
    payload: Buffer.from(bytes.subarray(payload, payload + words[2 * i + PAYLOAD_LENGTH]!)),
    oversize: (lengthAndFlags & OVERSIZE) !== 0,
    trace: payload > trace ? bytes.toString('latin1', trace, payload) : undefined,
    rights: trace > rights ? parseRights(bytes.toString('latin1', rights, trace)) : undefined,
  };
}
