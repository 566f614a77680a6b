import type { BacklogReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import { BEGINNING, isAfter, justBefore, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Reset } from './gate.ts';
import type { MessageFilter } from './message-filter.ts';
import { type ChannelPage, ChannelReading, openChannels, type Wanted } from './read-channels.ts';
import { NOWHERE, type Start } from './start.ts';

export interface ReplayOptions {
  hub: Hub;
  backlog: BacklogReader;
  filter: MessageFilter;
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
      if (page.deliveries.length > 0) {
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
    while (page?.deliveries.length === 0) page = await pages.next();
    const replay = new Replay(page ? justBefore(page.deliveries[0]!.message.id) : seam, pages);
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
    for (const { message } of page.deliveries) {
      const { id, channel } = message;
      // Granted by a plain PUBLISH that was recorded late: what followed it may have a lower id than what the reader has.
      if (isAfter(id, this.position) || this.#told.has(channel)) continue;
      this.#told.add(channel);
      resets.push({ channel, reason: 'overtaken' });
    }
    return { resets, deliveries: page.deliveries.filter(({ message }) => isAfter(message.id, this.position)) };
  }
}

/**
 * What a reader gets when its stream opens, before it goes over to live: everything after its position, up to the seam. `owedAfter`:
 * which channels are to be read, and from where on, for a reader that has everything up to a position.
 */
export async function openReplay(
  start: Exclude<Start, { kind: 'now' }>,
  seam: Position,
  owedAfter: (position: Position) => Wanted[],
  options: ReplayOptions,
): Promise<Replay> {
  const { hub, filter, backlog } = options;
  if (start.kind === 'overlap') {
    const last = start.count;
    const requests = owedAfter(BEGINNING).map(({ channel, after }) => ({ channel, after, upTo: seam, last }));
    return Replay.overlap(new ChannelReading([], [], await backlog.open(requests), filter), seam);
  }
  const position = start.kind === 'after' && !isAfter(start.position, seam) ? start.position : NOWHERE;
  const wanted = owedAfter(position).map((one) => ({ ...one, broken: brokenSince(start, one.after, hub) }));
  // From the beginning means from the beginning of this life: no gap was missed before it.
  const gaps = position === BEGINNING ? [] : hub.gaps;
  return Replay.begin(position, await openChannels(wanted, seam, { ...options, gaps }));
}

/** What a reader that has everything up to `position` has missed of these channels, up to the seam. */
export async function openMissed(
  wanted: Wanted[],
  position: Position,
  seam: Position,
  options: ReplayOptions,
): Promise<Replay> {
  return Replay.begin(position, await openChannels(wanted, seam, { ...options, gaps: options.hub.gaps }));
}

/** Why nothing can be promised of a channel, whatever its backlog says; it is read from `after` on. */
function brokenSince(start: Start, after: Position, hub: Hub): ResetReason | undefined {
  if (start.kind !== 'after') return 'unreadable';
  if (isAfter(start.position, hub.position)) return 'future';
  if (start.position === BEGINNING || !isAfter(hub.born, start.position)) return undefined;
  return isAfter(after, hub.born) ? undefined : 'flushed';
}
