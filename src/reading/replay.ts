import type { BacklogReader } from '../backlog/backlog.ts';
import type { ReplaySource } from '../counters.ts';
import type { Hub } from '../hub/hub.ts';
import type { Message } from '../message/message.ts';
import { isLater, type Place } from '../message/place.ts';
import { BEGINNING, isAfter, justBefore, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { MessageFilter } from './channels.ts';
import type { Reset } from './gate.ts';
import { type ChannelPage, ChannelReading, openChannels } from './read-channels.ts';
import { openRevisions } from './revisions.ts';
import { NOWHERE, type Start } from './start.ts';
import type { Wanted } from './wanted.ts';

const NONE: ReadonlyMap<string, Place> = new Map();

export interface ReplayOptions {
  hub: Hub;
  backlog: BacklogReader;
  filter: MessageFilter;
  recordsPlain: (channel: string) => boolean;
}

/** The messages that a reader gets before it goes live: all after its position and up to the seam, page by page. */
export class Replay {
  /** The position of the client until it has read the first message of the replay. */
  readonly position: Position;
  /** The resets to send before the first page. */
  readonly resets: Reset[] = [];
  readonly #pages: ChannelReading;
  /** The first page with messages, read ahead; `undefined` if there is none, or if `next` has answered it. */
  #ahead: ChannelPage | undefined;
  /** The channels for which there was a reset. */
  readonly #told = new Set<string>();
  /** By channel, `Wanted.before`. */
  readonly #before: ReadonlyMap<string, Place>;

  private constructor(position: Position, pages: ChannelReading, before: ReadonlyMap<string, Place> = NONE) {
    this.position = position;
    this.#pages = pages;
    this.#before = before;
    this.#tell(pages.resets);
  }

  /** Reads ahead to the first message that is for the client: the resets carry another position if there is none. */
  static async begin(position: Position, pages: ChannelReading, before?: ReadonlyMap<string, Place>): Promise<Replay> {
    const replay = new Replay(position, pages, before);
    for (let page = await replay.#read(); page; page = await replay.#read()) {
      if (page.deliveries.length > 0) {
        replay.#ahead = page;
        break;
      }
      replay.#tell(page.resets);
    }
    return replay;
  }

  /** A replay of pages that hold the last messages of each channel, which begins just before the first of them. */
  static async overlap(pages: ChannelReading, seam: Position): Promise<Replay> {
    let page = await pages.next();
    while (page?.deliveries.length === 0) page = await pages.next();
    const replay = new Replay(page ? justBefore(page.deliveries[0]!.message.id) : seam, pages);
    replay.#ahead = page;
    return replay;
  }

  get source(): ReplaySource {
    return this.#pages.source;
  }

  get isEmpty(): boolean {
    return this.#ahead === undefined;
  }

  /** The next page, or `undefined` at the end. If it rejects, it may be called again. */
  async next(): Promise<ChannelPage | undefined> {
    const ahead = this.#ahead ?? (await this.#read());
    this.#ahead = undefined;
    return ahead;
  }

  #tell(resets: Reset[]): void {
    for (const reset of resets) {
      this.#told.add(reset.channel);
      this.resets.push(reset);
    }
  }

  async #read(): Promise<ChannelPage | undefined> {
    const page = await this.#pages.next();
    if (!page) return undefined;
    const resets = [...page.resets];
    for (const { message } of page.deliveries) {
      const { id, channel, place } = message;
      // A plain PUBLISH that was recorded late granted the channel: messages behind its place may have ids below the reader's position.
      if (isAfter(id, this.position) || this.#told.has(channel)) continue;
      const before = this.#before.get(channel);
      if (before && !isLater(before, place)) continue;
      this.#told.add(channel);
      resets.push({ channel, reason: 'overtaken' });
    }
    return { resets, deliveries: page.deliveries.filter(({ message }) => isAfter(message.id, this.position)) };
  }
}

/**
 * The replay for a stream that opens: all messages after the reader's position, up to the seam. `owedAfter`: answers the channels to read,
 * each with its own start, for a reader that has everything up to a position.
 */
export async function openReplay(
  start: Exclude<Start, { kind: 'now' }>,
  seam: Position,
  owedAfter: (position: Position) => Wanted[],
  options: ReplayOptions,
): Promise<Replay> {
  const { hub, backlog } = options;
  if (start.kind === 'overlap') {
    const last = start.count;
    const from = (await start.from?.()) ?? BEGINNING;
    const allows = (message: Message): boolean => !isAfter(from, message.id) && options.filter.allows(message);
    const filtered = from === BEGINNING ? options : { ...options, filter: { isQuiet: false, allows } };
    const requests = owedAfter(BEGINNING).map(({ channel, after }) => ({ channel, after, upTo: seam, last }));
    return Replay.overlap(new ChannelReading([], [], await backlog.open(requests), filtered), seam);
  }
  if (start.kind === 'revisions') {
    return Replay.begin(BEGINNING, await openRevisions(start.seen, seam, owedAfter(BEGINNING), options));
  }
  const position = start.kind === 'after' && !isAfter(start.position, seam) ? start.position : NOWHERE;
  const wanted = owedAfter(position).map((one) => ({ ...one, broken: brokenSince(start, hub) }));
  // `BEGINNING` stands for the beginning of the store's present life: such a client has not missed any gap.
  const gaps = position === BEGINNING ? [] : hub.gaps;
  const before = placesOf(wanted);
  return Replay.begin(position, await openChannels(wanted, seam, { ...options, gaps }), before);
}

/** The replay of the messages that a reader with everything up to `position` has missed on these channels, up to the seam. */
export async function openMissed(
  wanted: Wanted[],
  position: Position,
  seam: Position,
  options: ReplayOptions,
): Promise<Replay> {
  const before = placesOf(wanted);
  return Replay.begin(position, await openChannels(wanted, seam, { ...options, gaps: options.hub.gaps }), before);
}

/** `Wanted.before` of each channel that has one. Not the list itself: of 9,000 channels it would be kept while the answer is awaited. */
function placesOf(wanted: Wanted[]): ReadonlyMap<string, Place> {
  let places: Map<string, Place> | undefined;
  for (const { channel, before } of wanted) {
    if (!before) continue;
    places ??= new Map();
    places.set(channel, before);
  }
  return places ?? NONE;
}

/**
 * The reason of a reset that every channel needs whatever its backlog has, or `undefined`. A channel that was granted in the store's present
 * life needs it too: the store has forgotten whether the reader had it before, and what was published there then.
 */
function brokenSince(start: Start, hub: Hub): ResetReason | undefined {
  if (start.kind !== 'after') return 'unreadable';
  if (isAfter(start.position, hub.position)) return 'future';
  return start.position !== BEGINNING && isAfter(hub.born, start.position) ? 'flushed' : undefined;
}
