import type { BacklogReader, ReadRequest } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import type { Delivery } from '../message/delivery.ts';
import { BEGINNING, isAfter, type Position } from '../message/position.ts';
import type { MessageFilter } from './channels.ts';
import type { Reset } from './gate.ts';
import { ChannelReading, MOST_RECENT } from './read-channels.ts';
import { headsOf, type RevisionHead } from './revision-heads.ts';
import { type Due, RevisionPages } from './revision-pages.ts';
import type { Wanted } from './wanted.ts';

interface RevisionSources {
  hub: Pick<Hub, 'subscription' | 'recent' | 'refresh' | 'isConflated'>;
  backlog: BacklogReader;
  filter: MessageFilter;
}

/**
 * Reads the messages of these channels after the revisions that the client has seen, up to the seam: from the hub's memory if it has all
 * of them, else from the backlogs. What comes after the seam is received live, as with `openChannels`.
 *
 * Invariant: of each channel, the client gets exactly the messages with a later revision that are kept and that its rights allow, in
 * order; or a reset, if messages between the two are gone. A client that has seen nothing (revision 0) misses nothing.
 *
 * @param wanted the channels, which the reader follows; messages up to `after` are not for it
 */
export async function openRevisions(
  seen: ReadonlyMap<string, number>,
  seam: Position,
  wanted: Wanted[],
  { hub, backlog, filter }: RevisionSources,
): Promise<ChannelReading> {
  const heads = await headsOf(
    wanted.map(({ channel }) => channel),
    seam,
    hub,
    backlog,
  );
  const plan = new Plan(seam, hub);
  for (const { channel, after } of wanted) plan.add(channel, after, seen.get(channel) ?? 0, heads.get(channel)!);
  const { resets, recent, requests, due } = plan;
  const pages = requests.length > 0 ? new RevisionPages(await backlog.open(requests), due) : undefined;
  return new ChannelReading(resets, recent, pages, { filter, hub });
}

/** What is read from where. */
class Plan {
  readonly resets: Reset[] = [];
  readonly recent: Delivery[] = [];
  readonly requests: ReadRequest[] = [];
  readonly due = new Map<string, Due>();
  readonly #seam: Position;
  readonly #hub: RevisionSources['hub'];
  #bytes = 0;

  constructor(seam: Position, hub: RevisionSources['hub']) {
    this.#seam = seam;
    this.#hub = hub;
  }

  add(channel: string, after: Position, seen: number, head: RevisionHead): void {
    if (seen > head.latest) {
      // The counter has begun again.
      this.resets.push({ channel, reason: 'flushed' });
      return;
    }
    const subscription = this.#hub.subscription(channel);
    const kept = subscription?.kept ?? Number.POSITIVE_INFINITY;
    const isFinal = this.#hub.isConflated(channel);
    // Those before the final value are not missed.
    const from = isFinal ? Math.max(seen, head.revision - 1) : seen;
    const count = head.revision - from;
    if (count <= 0) return;
    if (from > 0 && count > kept && after === BEGINNING) {
      this.resets.push({ channel, reason: 'trimmed' });
      return;
    }
    const recent = this.#bytes > MOST_RECENT ? undefined : subscription?.recentAfter(from);
    if (recent) this.#take(recent, after);
    else this.#read(channel, after, from, head, isFinal);
  }

  #take(recent: Delivery[], after: Position): void {
    for (const delivery of recent) {
      const { id, payload } = delivery.message;
      if (isAfter(id, this.#seam) || !isAfter(id, after)) continue;
      this.#bytes += payload.length;
      this.recent.push(delivery);
    }
  }

  #read(channel: string, after: Position, from: number, head: RevisionHead, isFinal: boolean): void {
    const upTo = this.#seam;
    this.requests.push(
      from === 0 ? { channel, after, upTo } : { channel, after: BEGINNING, upTo, last: head.revision - from },
    );
    this.due.set(channel, { seen: from, known: after, last: head.id, isFinal });
  }
}
