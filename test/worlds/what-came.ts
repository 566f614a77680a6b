import { tagOf } from './chronicle.ts';
import { countBelow, type Frame, type Publication } from './history.ts';
import type { Counts } from './oracle.ts';
import type { ReaderRecord } from './reader-record.ts';

/** How long something may take (ms) while its gateway gives things to others: a message of an open stream, the `ok` of a new one. */
const LATE = 1000;
/** To open one takes several ways to Redis and back. */
const LATE_OPEN = { near: 650, far: 1200 };
/** With many worlds on a gateway there is always something to give. Where there is not for longer (ms), it had no processor. */
const QUIET = 50;

/** What came: each once, in the order of ids, unaltered, by the rights at its place, and in time. */
export function checkWhatCame(record: ReaderRecord, counts: Counts): void {
  let position = record.start ?? 0;
  record.reader.frames.forEach((frame, index) => {
    const { kind, id, at, text } = frame;
    const rises = kind === 'message' ? id > position : id >= position;
    const tag = kind === 'message' ? tagOf(text) : undefined;
    // Where Redis was never there, an `error` has no position to tell.
    const isNone = kind === 'error' && id === 0;
    if (!rises && !isNone && !(tag && record.got.has(tag))) {
      record.add('out of order', at, `${kind} ${id} behind ${position}`, tag);
    }
    position = Math.max(position, id);
    if (kind !== 'message') return;
    counts.deliveries++;
    const publication = record.publicationOf(text);
    if (publication) checkMessage(record, counts, { frame, index, publication });
    else record.add('foreign', at, `${JSON.stringify(text.slice(0, 100))}, which nobody published`, tag);
  });
  checkStreams(record);
}

/** One message that came. */
interface Delivery {
  frame: Frame;
  index: number;
  publication: Publication;
}

function checkMessage(record: ReaderRecord, counts: Counts, delivery: Delivery): void {
  const { frame, index, publication } = delivery;
  const { tag, channel } = publication;
  const before = record.got.get(tag);
  if (before) record.add('double', frame.at, `${tag} of ${channel} with id ${before.frame.id} and ${frame.id}`, tag);
  else record.got.set(tag, { index, frame });
  checkContent(record, delivery);
  if (channel !== record.own) checkRight(record, counts, delivery);
  checkTime(record, delivery);
}

function checkContent(record: ReaderRecord, { frame, publication }: Delivery): void {
  const { tag, channel, text, entries } = publication;
  const entry = entries.find(({ id }) => id === frame.id);
  const differs =
    !entry ||
    (frame.channel ?? channel) !== channel ||
    (frame.revision ?? entry.revision) !== entry.revision ||
    asLines(frame.text) !== asLines(text);
  if (!differs) return;
  const got = `${frame.channel ?? ''} ${frame.revision ?? ''} ${frame.id} ${JSON.stringify(frame.text.slice(0, 100))}`;
  record.add('altered', frame.at, `${tag} of ${channel} came as ${got}, recorded as ${JSON.stringify(entry)}`, tag);
}

function checkRight(record: ReaderRecord, counts: Counts, { frame: { at, stream }, publication }: Delivery): void {
  const { tag, channel, place, plain, entries } = publication;
  const opening = record.openings[stream]!;
  const right = record.rightTo(publication, stream);
  const how = `${plain ? 'plain' : 'script'} ${tag} of ${channel} (${place.order}) on stream ${stream}`;
  if (right === 'either') counts.either++;
  if (right === 'no') record.add(record.rights.whyNot(channel, place.order), at, how, tag);
  // Of a channel that was lost meanwhile nothing is replayed, not even what was published before.
  else if ((entries[0]?.moment.order ?? 0) < opening.requested && !record.rights.wasListed(channel, opening)) {
    record.add('leaked', at, `${how}, which was opened without a right to it`, tag);
  }
}

function checkTime(record: ReaderRecord, { frame, publication }: Delivery): void {
  const { okAt } = record.reader.streams[frame.stream]!;
  const { tag, channel, entries } = publication;
  const [entry] = entries;
  if (!entry || okAt === undefined || entry.moment.at < okAt) return;
  // What was published on the user's own channel before it may have changed the rights, which its record tells.
  const own = record.history.publications.filter(
    (other) => other.plain && other.channel === record.own && other.place.order < entry.moment.order,
  );
  const known = Math.max(entry.moment.at, ...own.map((other) => other.entries[0]?.moment.at ?? 0));
  checkWait(record, frame.stream, [known, frame.at], LATE, `${tag} of ${channel}`, tag);
}

function checkStreams(record: ReaderRecord): void {
  record.reader.streams.forEach(({ closedBy, requestedAt, okAt, closedAt }, i) => {
    if (okAt === undefined) return; // turned away, as happens where the machine is too busy
    if (closedBy === 'gateway' && record.history.calm) {
      record.add('ended', closedAt ?? 0, `stream ${i} was ended by the gateway`);
    }
    checkWait(
      record,
      i,
      [requestedAt, okAt],
      record.history.far ? LATE_OPEN.far : LATE_OPEN.near,
      `the ok of stream ${i}`,
    );
  });
}

/** Whether something came late while nothing failed, and while its gateway was at work. */
function checkWait(
  record: ReaderRecord,
  stream: number,
  [from, to]: [number, number],
  allowed: number,
  what: string,
  tag?: string,
): void {
  const { history, reader } = record;
  if (!history.calm || to - from <= allowed) return;
  const given = history.given.get(reader.streams[stream]!.gateway) ?? [];
  const took = timeAtWork(given, from, to) - history.waited(from, to);
  if (took > allowed) record.add('late', to, `${what} took ${took.toFixed(0)} ms in which others got theirs`, tag);
}

/** How much of the time between two moments a gateway was at work, by the times at which it gave something to anybody. */
function timeAtWork(given: readonly number[], from: number, to: number): number {
  let sum = 0;
  let last = from;
  for (const at of [...given.slice(countBelow(given, from), countBelow(given, to)), to]) {
    sum += Math.min(at - last, QUIET);
    last = at;
  }
  return sum;
}

/** Raw streams have one kind of line end. */
function asLines(text: string): string {
  return text.replace(/\r\n|\r/g, '\n');
}
