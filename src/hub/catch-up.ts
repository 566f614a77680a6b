import type { Message } from '../message/message.ts';
import { BEGINNING, isAfter, laterOf, type Position } from '../message/position.ts';
import type { ChannelSource, Gap, Mark } from './channel-source.ts';
import { announce, type Giver, type GivingOptions, giveMissed, type Missed } from './give-missed.ts';
import type { Subscription } from './subscription.ts';

/** As many as one mark may ask for. */
const CHUNK = 1000;

/** What the hub knows, and is brought up to date here; the hub itself imports this file. */
export interface Knowledge extends Giver {
  born: Position;
  gaps: Gap[];
  onFlushed: () => void;
  subscriptions(): Iterable<Subscription>;
}

export interface Resources extends GivingOptions {
  source: ChannelSource;
  recordsPlain: (channel: string) => boolean;
}

type GapOptions = Pick<Resources, 'recordsPlain' | 'logger'>;

interface Compared extends Missed {
  /** What was heard here after the fork is not in the store any more. */
  fork: Gap | undefined;
}

/**
 * Brings the hub up to what the store has: reads what was missed on these channels, tells the readers what cannot be
 * read any more, and gives them the rest in the order of ids. Messages that are heard meanwhile stay held by the hub.
 */
export async function catchUp(
  hub: Knowledge,
  options: Resources,
  channels: string[],
  current: () => boolean,
): Promise<void> {
  const missed: Compared[] = [];
  const forks: Gap[] = [];
  let position: Position | undefined;
  const known = new Map([...hub.subscriptions()].map((subscription) => [subscription.channel, subscription]));
  for (let at = 0; at === 0 || at < channels.length; at += CHUNK) {
    const chunk = channels.slice(at, at + CHUNK);
    const mark = await options.source.mark(chunk);
    if (!current()) return;
    forks.push(...learn(hub, options, mark));
    for (const [i, channel] of chunk.entries()) {
      const subscription = known.get(channel);
      const head = mark.heads[i] ?? BEGINNING;
      const found = subscription && compare(subscription, head, mark.position, forks);
      if (found) missed.push(found);
    }
    // Up to the first mark all channels are read, and not beyond: what was published later was heard, and is held.
    position ??= mark.position;
  }
  if (position === undefined) return;
  await reportLost(options, missed);
  if (!current()) return;
  missed.push(...holesAmong(hub.heldMessages(position), known, missed));
  await giveMissed(hub, options, missed, position, known, current);
}

/** Channels of which something before what is held was not heard. */
function holesAmong(held: Message[], known: Map<string, Subscription>, missed: Missed[]): Compared[] {
  const isRead = new Set(missed.map(({ subscription }) => subscription));
  const heads = new Map<Subscription, Position>();
  const holes: Compared[] = [];
  for (const { channel, id, previous } of held) {
    const subscription = known.get(channel);
    const head = subscription && (heads.get(subscription) ?? subscription.head);
    if (!subscription || head === undefined || isRead.has(subscription)) continue;
    heads.set(subscription, laterOf(head, id));
    if (!isAfter(previous, head) || subscription.refused) continue;
    isRead.add(subscription);
    holes.push({ subscription, after: subscription.head!, head: id, fork: undefined });
  }
  return holes;
}

/** Takes note of a new life of the store and of new gaps; tells the readers. Answers the forks among them. */
function learn(hub: Knowledge, options: Resources, mark: Mark): Gap[] {
  if (hub.born !== mark.born) {
    const flushed = hub.born !== BEGINNING;
    hub.born = mark.born;
    hub.gaps = mark.gaps;
    if (!flushed) return [];
    options.logger.error({ event: 'store_flushed' });
    hub.onFlushed();
    for (const subscription of hub.subscriptions()) {
      if (subscription.head !== undefined) subscription.restart(BEGINNING);
      announce(subscription, 'flushed');
    }
    return [];
  }
  const fresh = mark.gaps.filter(({ to }) => !hub.gaps.some((gap) => gap.to === to));
  hub.gaps = mark.gaps;
  for (const gap of fresh) announceGap(hub, options, gap);
  return fresh.filter(({ reason }) => reason === 'forked');
}

/** Tells the readers of what may be lost in it; of a fork, each channel tells by its last message. */
export function announceGap(
  hub: Pick<Knowledge, 'subscriptions'>,
  { recordsPlain, logger }: GapOptions,
  gap: Gap,
): void {
  logger.error({ event: 'gap_in_store', ...gap });
  if (gap.reason === 'forked') return;
  for (const subscription of hub.subscriptions()) {
    if (recordsPlain(subscription.channel)) announce(subscription, gap.reason);
  }
}

/** What has to be read of this channel, if anything. */
function compare(subscription: Subscription, head: Position, position: Position, forks: Gap[]): Compared | undefined {
  if (subscription.head === undefined) {
    subscription.begin(head);
    return undefined;
  }
  // Denied by an ACL: what may not be heard is not read either.
  if (subscription.refused) return undefined;
  const heard = subscription.head;
  const fork = forks.find(({ from, to }) => isAfter(heard, from) && isAfter(to, heard));
  if (fork) {
    subscription.restart(isAfter(head, fork.from) ? fork.from : head);
    announce(subscription, 'forked');
    return { subscription, after: fork.from, head, fork };
  }
  if (isAfter(head, heard)) return { subscription, after: heard, head, fork };
  if (head === BEGINNING && isAfter(heard, head) && !isAfter(heard, position)) {
    subscription.restart(BEGINNING);
    announce(subscription, 'flushed');
  }
  return undefined;
}

/** Readers that are away now missed it too, and nobody else can tell them: the store keeps which channels it was. */
async function reportLost({ source }: Resources, missed: Compared[]): Promise<void> {
  const lost = new Map<Gap, string[]>();
  for (const { fork, subscription } of missed) {
    if (fork) lost.set(fork, [...(lost.get(fork) ?? []), subscription.channel]);
  }
  for (const [fork, channels] of lost) await source.reportLost(fork, channels);
}
