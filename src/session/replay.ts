import type { Backlog, Rights } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import { BEGINNING, isAfter, justAfter, justBefore, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Reset } from './gate.ts';
import { type ChannelPage, ChannelReading, openChannels, type Wanted } from './read-channels.ts';
import type { Start } from './start.ts';
import type { Timeline } from './timeline.ts';

/**
 * The position of a client whose own is none of ours, until it has read what follows: older than any store, so that it is
 * told again if the connection breaks before it was.
 */
const NOWHERE = justAfter(BEGINNING);

export interface ReplayOptions {
  hub: Hub;
  backlog: Pick<Backlog, 'open'>;
  timeline: Timeline;
  recordsPlain: (channel: string) => boolean;
}

/** What a reader gets before it goes over to live: everything after its position, up to the seam, page by page. */
export class Replay {
  /** What the client has until it has read what follows. */
  readonly position: Position;
  /** To be told first. */
  readonly resets: Reset[] = [];
  readonly #pages: ChannelReading;
  /** Something follows, as far as it has been read. */
  #ahead: ChannelPage | undefined;
  readonly #told = new Set<string>();

  private constructor(position: Position, pages: ChannelReading) {
    this.position = position;
    this.#pages = pages;
    this.#tell(pages.resets);
  }

  /** Reads on to the first message that is for the client: resets are told differently if there is none. */
  static async begin(position: Position, pages: ChannelReading): Promise<Replay> {
    const replay = new Replay(position, pages);
    for (let page = await replay.#read(); page; page = await replay.#read()) {
      if (page.messages.length > 0) {
        replay.#ahead = page;
        break;
      }
      replay.#tell(page.resets);
    }
    return replay;
  }

  /** The client gets the last so many messages of each channel. */
  static async overlap(pages: ChannelReading, seam: Position): Promise<Replay> {
    let page = await pages.next();
    while (page?.messages.length === 0) page = await pages.next();
    const replay = new Replay(page ? justBefore(page.messages[0]!.id) : seam, pages);
    replay.#ahead = page;
    return replay;
  }

  get isEmpty(): boolean {
    return this.#ahead === undefined;
  }

  /** The next page, or `undefined` at the end. Where it rejects, it may be asked again. */
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
    for (const { id, channel } of page.messages) {
      // Granted by a plain PUBLISH that was recorded late: what followed it may have a lower id than what the reader has.
      if (isAfter(id, this.position) || this.#told.has(channel)) continue;
      this.#told.add(channel);
      resets.push({ channel, reason: 'overtaken' });
    }
    return { resets, messages: page.messages.filter(({ id }) => isAfter(id, this.position)) };
  }
}

/** `own`: the user's channel. */
export async function openReplay(
  start: Exclude<Start, { kind: 'now' }>,
  seam: Position,
  own: string,
  channels: Rights['channels'],
  options: ReplayOptions,
): Promise<Replay> {
  const { hub, timeline, backlog } = options;
  const names = [own, ...channels.keys()];
  if (start.kind === 'overlap') {
    const last = start.count;
    const reading = await backlog.open(names.map((channel) => ({ channel, after: BEGINNING, upTo: seam, last })));
    return Replay.overlap(new ChannelReading([], [], reading, timeline), seam);
  }
  const position = start.kind === 'after' && !isAfter(start.position, seam) ? start.position : NOWHERE;
  // From the beginning means from the beginning of this life: no gap was missed before it.
  const gaps = position === BEGINNING ? [] : hub.gaps;
  function* wanted(): Iterable<Wanted> {
    for (const channel of names) {
      const after = timeline.startOf(channel, position, channels.get(channel));
      yield { channel, after, broken: brokenSince(start, after, hub) };
    }
  }
  return Replay.begin(position, await openChannels(wanted(), seam, { ...options, gaps }));
}

/** Why nothing can be promised of a channel, whatever its backlog says; it is read from `after` on. */
function brokenSince(start: Start, after: Position, hub: Hub): ResetReason | undefined {
  if (start.kind !== 'after') return 'unreadable';
  if (isAfter(start.position, hub.position)) return 'future';
  if (start.position === BEGINNING || !isAfter(hub.born, start.position)) return undefined;
  return isAfter(after, hub.born) ? undefined : 'flushed';
}
