import type { BacklogReader, Reading, ReadRequest } from '../backlog/backlog.ts';
import { type Gap, mayHaveLost } from '../hub/channel-source.ts';
import type { Hub } from '../hub/hub.ts';
import { Delivery } from '../message/delivery.ts';
import { comparePositions, isAfter, type Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';
import type { Reset } from './gate.ts';
import type { MessageFilter } from './message-filter.ts';

/** One channel, and what is to be read of it: everything after this position. */
export interface Wanted {
  channel: string;
  after: Position;
  /** Why nothing can be promised, whatever the backlog says: then only the backlog is asked. */
  broken?: ResetReason | undefined;
  /** It has been read before: the reader has been told of its gaps by the hub. */
  isRead?: boolean;
  /** The gaps that were known before the channel was followed, if those were others. */
  gaps?: Gap[] | undefined;
}

export interface Sources {
  hub: Pick<Hub, 'recent' | 'subscription'>;
  backlog: BacklogReader;
  filter: MessageFilter;
  /** The gaps that were known before the channels were followed: of later ones the hub tells. */
  gaps: Gap[];
  recordsPlain: (channel: string) => boolean;
}

export interface ReadMessages {
  /** For each channel one at most. */
  resets: Reset[];
  /** What is for the user, in the order of ids. */
  deliveries: Delivery[];
  /** From where the backlog of a channel was read, if what it keeps does not reach back to there. */
  gaps: Map<string, Position>;
}

/** Of what channels remember so much is taken (bytes); what the others have missed is in the backlogs, and is read in pages. */
const MOST_RECENT = 1024 * 1024;

/** A part of what is read: its resets come before its messages. */
export type ChannelPage = Pick<ReadMessages, 'resets' | 'deliveries'>;

/** A way through some channels, in the order of ids, with what the hub remembers in its place among what is read. */
export class ChannelReading {
  /** As they are known before the first page. */
  readonly resets: Reset[];
  readonly #recent: Delivery[];
  #reading: Reading | undefined;
  readonly #filter: MessageFilter;

  constructor(resets: Reset[], recent: Delivery[], reading: Reading | undefined, filter: MessageFilter) {
    this.resets = resets;
    this.#recent = recent.sort(byId);
    this.#reading = reading;
    this.#filter = filter;
  }

  /** The next page, or `undefined` at the end. Where it rejects, it may be asked again. */
  async next(): Promise<ChannelPage | undefined> {
    const page = await this.#reading?.next();
    if (!page) this.#reading = undefined;
    if (!page && this.#recent.length === 0) return undefined;
    const last = page?.messages.at(-1)?.id;
    const behind = this.#recent.findIndex(({ message: { id } }) => page && (last === undefined || isAfter(id, last)));
    const recent = this.#recent.splice(0, behind < 0 ? this.#recent.length : behind);
    const all = page ? [...recent, ...page.messages.map((message) => new Delivery(message))].sort(byId) : recent;
    const allowed = this.#filter.isQuiet ? all : all.filter(({ message }) => this.#filter.allows(message));
    return { resets: [...(page?.gaps ?? [])].map(([channel, reason]) => ({ channel, reason })), deliveries: allowed };
  }
}

/**
 * Reads what was published on these channels up to the seam: from the hub's memory if that has all of it, else from the backlog.
 * The seam is the hub's position at a moment when the reader already heard every one of the channels, so whatever has a later id
 * reaches the reader live: nothing is in both, nothing in neither.
 */
export async function openChannels(
  wanted: Iterable<Wanted>,
  seam: Position,
  sources: Sources,
): Promise<ChannelReading> {
  const reasons = new Map<string, ResetReason>();
  const recent: Delivery[] = [];
  const reading = await openBacklogs(wanted, seam, sources, reasons, recent);
  for (const [channel, reason] of reading?.gaps ?? []) if (!reasons.has(channel)) reasons.set(channel, reason);
  const resets = [...reasons].map(([channel, reason]) => ({ channel, reason }));
  return new ChannelReading(resets, recent, reading, sources.filter);
}

/**
 * Notes what is known to be missing, and what the hub remembers; the rest is asked of the backlogs. Not an async function: what is
 * asked for is forgotten while the answer is waited for (9,000 channels of 20 readers: 28 MB).
 */
function openBacklogs(
  wanted: Iterable<Wanted>,
  seam: Position,
  { hub, backlog, gaps, recordsPlain }: Sources,
  reasons: Map<string, ResetReason>,
  deliveries: Delivery[],
): Promise<Reading> | undefined {
  const reads: ReadRequest[] = [];
  let bytes = 0;
  for (const { channel, after, broken, isRead, gaps: own } of wanted) {
    const gap = isRead ? undefined : gapAfter(own ?? gaps, channel, after, recordsPlain(channel));
    const reason = broken ?? gap?.reason;
    if (reason) reasons.set(channel, reason);
    // What the hub has heard is not looked for in the backlog, which may have been trimmed since.
    const recent = broken || bytes > MOST_RECENT ? undefined : hub.recent(channel, after);
    for (const delivery of recent ?? []) {
      if (isAfter(delivery.message.id, seam)) continue;
      bytes += delivery.message.payload.length;
      deliveries.push(delivery);
    }
    // The last message that the hub knows of: what is trimmed behind it, because more was published, is heard.
    const head = hub.subscription(channel)?.head ?? seam;
    if (!recent) reads.push({ channel, after, upTo: isAfter(head, seam) ? seam : head });
  }
  return reads.length > 0 ? backlog.open(reads) : undefined;
}

/** The same at once, for what is little. */
export async function readChannels(wanted: Wanted[], seam: Position, sources: Sources): Promise<ReadMessages> {
  const gaps = new Map<string, Position>();
  const after = new Map(wanted.map((one) => [one.channel, one.after]));
  const note = (channel: string): void => void gaps.set(channel, after.get(channel)!);
  const open: BacklogReader['open'] = async (...asked) => {
    const reading = await sources.backlog.open(...asked);
    for (const channel of reading.gaps.keys()) note(channel);
    return reading;
  };
  const reading = await openChannels(wanted, seam, { ...sources, backlog: { open } });
  const resets = new Map(reading.resets.map((reset) => [reset.channel, reset]));
  const deliveries: Delivery[] = [];
  for (let page = await reading.next(); page; page = await reading.next()) {
    for (const reset of page.resets) {
      note(reset.channel);
      if (!resets.has(reset.channel)) resets.set(reset.channel, reset);
    }
    for (const delivery of page.deliveries) deliveries.push(delivery);
  }
  return { resets: [...resets.values()], deliveries, gaps };
}

/** The gap in which something may be lost that was published on the channel after this position. */
export function gapAfter(gaps: Gap[], channel: string, position: Position, plain: boolean): Gap | undefined {
  return gaps.find((gap) => {
    const { reason, from, to } = gap;
    if (!isAfter(to, position)) return false;
    // Of a fork: who stood on the branch that is gone, and who missed what is known to have been on it.
    return (reason === 'forked' && isAfter(position, from)) || mayHaveLost(gap, channel, plain);
  });
}

function byId(a: Delivery, b: Delivery): number {
  return comparePositions(a.message.id, b.message.id);
}
