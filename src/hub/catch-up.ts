import type { Logger } from '../logger.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import { type ChannelSource, type Gap, type Mark, mayHaveLost } from './channel-source.ts';
import { announce, type Giver, type GivingOptions, giveMissed, type Missed } from './give-missed.ts';
import type { Subscription } from './subscription.ts';

/** As many as one mark may ask for. */
const CHUNK = 1000;

/** What the hub knows, and is brought up to date here; the hub itself imports this file. */
export interface Knowledge extends Giver {
  born: Position;
  gaps: Gap[];
  onFlushed: () => void;
  onReversed: () => void;
  subscriptions(): Iterable<Subscription>;
}

export interface Resources extends GivingOptions {
  source: ChannelSource;
  recordsPlain: (channel: string) => boolean;
}

type GapOptions = Pick<Resources, 'recordsPlain' | 'logger'>;

/** What the marks of one healing tell. */
interface News {
  forks: Gap[];
  /** Where the store has begun a new life. */
  born: Position | undefined;
}

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
  const news: News = { forks: [], born: undefined };
  let position: Position | undefined;
  const known = new Map([...hub.subscriptions()].map((subscription) => [subscription.channel, subscription]));
  const wanted = [...channels];
  let at = 0;
  do {
    const chunk = wanted.slice(at, at + CHUNK);
    at += chunk.length;
    const mark = await options.source.mark(chunk);
    if (!current()) return;
    // A new life is learned of once: by all channels, whichever are healed.
    if (learn(hub, options, mark, news)) wanted.push(...unread(known, wanted));
    for (const [i, channel] of chunk.entries()) {
      const subscription = known.get(channel);
      const head = mark.heads[i] ?? BEGINNING;
      const found = subscription && compare(subscription, head, mark.position, news, options.logger);
      if (found) missed.push(found);
    }
    // Up to the first mark all channels are read, and not beyond: what was published later was heard, and is held.
    position ??= mark.position;
  } while (at < wanted.length);
  await reportLost(options, missed);
  if (!current()) return;
  const before = hub.position;
  await giveMissed(hub, options, { missed, upTo: position, compared: new Set(wanted), known }, current);
  if (current() && isAfter(before, position)) hub.onReversed();
}

/** The channels that are heard, and are not among these. */
function unread(known: Map<string, Subscription>, channels: string[]): string[] {
  const read = new Set(channels);
  const heard = [...known.values()].filter(({ head }) => head !== undefined);
  return heard.map(({ channel }) => channel).filter((channel) => !read.has(channel));
}

/** Takes note of a new life of the store and of new gaps; tells the readers. Answers whether it is a new life. */
function learn(hub: Knowledge, options: Resources, mark: Mark, news: News): boolean {
  if (hub.born !== mark.born) {
    const flushed = hub.born !== BEGINNING;
    hub.born = mark.born;
    hub.gaps = mark.gaps;
    if (!flushed) return false;
    news.born = mark.born;
    options.logger.error({ event: 'store_flushed' });
    hub.onFlushed();
    for (const subscription of hub.subscriptions()) announce(subscription, 'flushed');
    return true;
  }
  const fresh = mark.gaps.filter(({ to }) => !hub.gaps.some((gap) => gap.to === to));
  hub.gaps = mark.gaps;
  for (const gap of fresh) announceGap(hub, options, gap);
  news.forks.push(...fresh.filter(({ reason }) => reason === 'forked'));
  return false;
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
    const { channel } = subscription;
    if (mayHaveLost(gap, channel, recordsPlain(channel))) announce(subscription, gap.reason);
  }
}

/** What has to be read of this channel, if anything. */
function compare(
  subscription: Subscription,
  head: Position,
  position: Position,
  { forks, born }: News,
  logger: Logger,
): Compared | undefined {
  if (subscription.head === undefined) {
    subscription.begin(head);
    return undefined;
  }
  // Denied by an ACL: what may not be heard is not read either.
  if (subscription.refused) return undefined;
  const heard = subscription.head;
  if (born !== undefined) {
    // What was heard is of the life before, and what the store still has of it was given then.
    const isOfThisLife = isAfter(head, born);
    subscription.restart(isOfThisLife ? BEGINNING : head);
    return isOfThisLife ? { subscription, after: born, head, fork: undefined } : undefined;
  }
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
  } else if (isAfter(heard, head) && !isAfter(heard, position)) {
    // Heard, and not in the store: its readers have had it, whoever published it.
    logger.error({ event: 'head_unconfirmed', channel: subscription.channel, heard, head });
    subscription.restart(head);
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
