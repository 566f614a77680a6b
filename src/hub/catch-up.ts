import type { Counters } from '../counters.ts';
import type { Logger } from '../logger.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import { type ChannelSource, type Gap, isSameGap, type Mark, mayHaveLost } from './channel-source.ts';
import { addLost, hasTurnedOut, judgeUnheard, settledMark } from './forks.ts';
import type { Frontier } from './frontier.ts';
import { announce, type Giver, type GivingOptions, giveMissed, type Missed } from './give-missed.ts';
import type { Subscription } from './subscription.ts';
import type { Subscriptions } from './subscriptions.ts';

/** How many heads one mark may ask for. */
const CHUNK = 1000;

/** The parts of the hub that a healing brings up to date, and the `Giver` that delivers missed messages to the readers. */
export interface Knowledge {
  frontier: Frontier;
  subscriptions: Subscriptions;
  giver: Giver;
}

export interface Resources extends GivingOptions {
  source: ChannelSource;
  counters: Counters;
  recordsPlain: (channel: string) => boolean;
  /** Called when the store has lost its memory. */
  onFlushed: () => void;
  /** Called when the store's ids have gone back: new messages have lower ids than messages that were already delivered. */
  onReversed: () => void;
}

/** What the marks of one healing have shown so far. */
interface News {
  /** Forks that were not known before. */
  forks: Gap[];
  /** The id with which the store began a new life; `undefined` if it did not. */
  born: Position | undefined;
}

interface Compared extends Missed {
  /** The store has lost the messages that this gateway received on the channel after the beginning of this fork. */
  fork: Gap | undefined;
}

/**
 * Brings the hub up to date with the store: reads the messages that were missed on these channels, notifies the readers of those that
 * cannot be read any more, and delivers the rest in the order of ids. Messages that are received meanwhile stay in the healing queue.
 *
 * A long file: the steps of one healing, in their order.
 */
export async function catchUp(
  hub: Knowledge,
  options: Resources,
  channels: string[],
  current: () => boolean,
): Promise<void> {
  const { frontier, subscriptions, giver } = hub;
  const known = new Map(subscriptions);
  const compared = await compareAll(hub, options, channels, known, current);
  if (!compared) return;
  const { missed, position, wanted } = compared;
  await reportLost(hub, options, missed);
  if (!current()) return;
  const before = frontier.position;
  await giveMissed(giver, frontier, options, { missed, upTo: position, compared: new Set(wanted), known }, current);
  if (current() && isAfter(before, position)) options.onReversed();
}

/**
 * Compares the channels with the store; answers `undefined` if the connection was lost meanwhile. `position`: missed messages are read
 * up to this id on all of the channels, and not beyond, because later messages have been received and are in the healing queue.
 */
async function compareAll(
  hub: Knowledge,
  options: Resources,
  channels: string[],
  known: Map<string, Subscription>,
  current: () => boolean,
): Promise<{ missed: Compared[]; position: Position; wanted: string[] } | undefined> {
  const { source } = options;
  const missed: Compared[] = [];
  const news: News = { forks: [], born: undefined };
  const wanted = [...channels];
  let position: Position | undefined;
  let at = 0;
  do {
    const chunk = wanted.slice(at, at + CHUNK);
    const mark = await (at === 0 ? settledMark(source, chunk, current) : source.mark(chunk));
    at += chunk.length;
    if (!current()) return undefined;
    const fresh = learn(hub, options, mark, news);
    await judgeUnheard(source, news.forks, hub.frontier.position);
    if (!current()) return undefined;
    // A new life or a fork is learned of only once, so all channels are compared then, not only those that are being healed.
    if (fresh) for (const channel of unread(known, wanted)) wanted.push(channel);
    for (const [i, channel] of chunk.entries()) {
      const subscription = known.get(channel);
      const head = mark.heads[i] ?? BEGINNING;
      const found = subscription && compare(subscription, head, mark, news, options);
      if (found) missed.push(found);
    }
    position ??= mark.position;
  } while (at < wanted.length);
  return { missed, position, wanted };
}

/** The channels whose `head` is known and that are not among `channels`. */
function unread(known: Map<string, Subscription>, channels: string[]): string[] {
  const read = new Set(channels);
  const heard = [...known.values()].filter(({ head }) => head !== undefined);
  return heard.map(({ channel }) => channel).filter((channel) => !read.has(channel));
}

/** Learns of a new life of the store and of new gaps, and notifies the readers. Answers whether every channel has to be compared. */
function learn({ frontier, subscriptions }: Knowledge, options: Resources, mark: Mark, news: News): boolean {
  const { isFlushed, fresh, before } = frontier.learn(mark);
  if (isFlushed) {
    news.born = mark.born;
    options.logger.error({ event: 'store_flushed' });
    options.onFlushed();
    for (const subscription of subscriptions.values()) announce(subscription, 'flushed');
    return true;
  }
  for (const gap of before) announceTurnedOut(subscriptions, options, gap, mark);
  for (const gap of fresh) announceGap(subscriptions, options, gap, before);
  const forks = fresh.filter(({ reason }) => reason === 'forked');
  news.forks.push(...forks);
  return forks.length > 0;
}

/** Logs a gap. Each restart of Redis begins as a fork, so one of which nothing is known to be lost is no error. */
function logGap(logger: Logger, gap: Gap): void {
  const { reason, extent, lost } = gap;
  const isHarmless = reason === 'forked' && lost.length === 0 && (extent === 'known' || extent === 'awaited');
  if (isHarmless) logger.info({ event: 'store_forked', ...gap });
  else logger.error({ event: 'gap_in_store', ...gap });
}

/** Notifies the readers of channels that, as the store knows only now, lost a message in a fork that was known before. */
function announceTurnedOut(subscriptions: Subscriptions, { logger }: Resources, before: Gap, { gaps }: Mark): void {
  const now = gaps.find(({ to }) => to === before.to);
  if (now?.reason !== 'forked' || isSameGap(before, now)) return;
  logGap(logger, now);
  for (const subscription of subscriptions.values()) {
    if (hasTurnedOut(before, now, subscription.channel)) announce(subscription, 'forked');
  }
}

/** Notifies the readers of channels that may have lost messages in the gap, unless it is a fork: `compare` does that for each channel. */
function announceGap(subscriptions: Subscriptions, { recordsPlain, logger }: Resources, gap: Gap, before: Gap[]): void {
  // A channel that cannot be recorded gets a new gap with each message; only the first one is logged.
  const isRepeated = gap.reason === 'unrecorded' && before.some(({ lost }) => lost.includes(gap.lost[0] ?? ''));
  if (!isRepeated) logGap(logger, gap);
  if (gap.reason === 'forked') return;
  for (const subscription of subscriptions.values()) {
    const { channel } = subscription;
    if (mayHaveLost(gap, channel, recordsPlain(channel))) announce(subscription, gap.reason);
  }
}

/** Compares one channel with its head in the store. Answers what has to be read of it, or `undefined` if nothing has to be. */
function compare(
  subscription: Subscription,
  head: Position,
  mark: Mark,
  { forks, born }: News,
  { logger, counters }: Resources,
): Compared | undefined {
  if (subscription.head === undefined) {
    subscription.begin(head);
    return undefined;
  }
  // An ACL denies the SUBSCRIBE on this channel, so its backlog is not read either.
  if (subscription.refused) return undefined;
  const heard = subscription.head;
  if (born !== undefined) {
    // The messages received so far are of the store's previous life. What the store still has of that life was delivered then.
    const isOfThisLife = isAfter(head, born);
    subscription.restart(isOfThisLife ? BEGINNING : head);
    return isOfThisLife ? { subscription, after: born, head, fork: undefined, isLast: false } : undefined;
  }
  const fork = forks.find(({ from, to }) => isAfter(heard, from) && isAfter(to, heard));
  if (fork) {
    subscription.restart(isAfter(head, fork.from) ? fork.from : head);
    announce(subscription, 'forked');
    return { subscription, after: fork.from, head, fork, isLast: false };
  }
  if (forks.some((one) => mayHaveLost(one, subscription.channel, false))) announce(subscription, 'forked');
  if (isAfter(head, heard)) return { subscription, after: heard, head, fork, isLast: heard !== BEGINNING };
  if (head === BEGINNING && subscription.isForgotten(mark)) return undefined;
  if (head === BEGINNING && isAfter(heard, head) && !isAfter(heard, mark.position)) {
    subscription.restart(BEGINNING);
    announce(subscription, 'flushed');
  } else if (isAfter(heard, head) && !isAfter(heard, mark.position)) {
    // This message was received, but the store does not have it. Its readers have been given it, whoever published it.
    counters.messageUnconfirmed();
    logger.error({ event: 'head_unconfirmed', channel: subscription.channel, heard, head });
    subscription.restart(head);
  }
  return undefined;
}

/**
 * Notes in the store which channels have lost messages in a fork: readers that are disconnected now missed them too, and can be
 * notified of it only from the store.
 */
async function reportLost({ frontier: { gaps } }: Knowledge, { source }: Resources, missed: Compared[]): Promise<void> {
  const lost = new Map<Gap, string[]>();
  for (const { fork, subscription } of missed) {
    if (fork) lost.set(fork, [...(lost.get(fork) ?? []), subscription.channel]);
  }
  for (const [fork, channels] of lost) await addLost(source, gaps.find(({ to }) => to === fork.to) ?? fork, channels);
}
