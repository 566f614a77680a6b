import { MARGIN, type Publication } from './history.ts';
import type { Counts } from './oracle.ts';
import type { Got, ReaderRecord } from './reader-record.ts';
import type { Right } from './rights.ts';

/**
 * A hole among plain PUBLISHes is found by the next recorder, or when Redis is back (ms): readers may have had what came
 * behind it by then.
 */
const HOLE_TOLD_WITHIN = 10_000;

/** What did not come: it must not, or need not, or a reset told of it; and what resets told of. */
export function checkWhatIsMissing(record: ReaderRecord, counts: Counts): void {
  const { start } = record;
  if (start === undefined) return;
  for (const publication of record.history.publications) {
    const [entry] = publication.entries;
    if (!entry) checkUnrecorded(record, counts, publication);
    else if (entry.id > start) checkRecorded(record, counts, publication, entry.id);
  }
  checkResets(record, counts, start);
}

function checkRecorded(record: ReaderRecord, counts: Counts, publication: Publication, id: number): void {
  const { tag, channel, place, plain } = publication;
  const got = record.got.has(tag);
  const stream = decisive(record, id);
  const due = isDue(record, publication, stream);
  if (due === 'yes') counts.owed++;
  if (due === 'no' && !got) counts.forbidden++;
  if (got || due !== 'yes') return;
  if (record.resetsOf(channel).some((reset) => record.covers(reset, channel, id))) {
    counts.covered++;
    return;
  }
  const how = `${plain ? 'plain' : 'script'} ${tag} of ${channel} (${place.order}, id ${id})`;
  record.add('lost', place.at, `${how} did not come; it was due on stream ${stream}`, tag);
}

/** The last stream that was opened with a position before this id: later ones had passed it. */
function decisive({ reader }: ReaderRecord, id: number): number {
  return reader.streams.findLastIndex(({ from }, i) => i === 0 || (from ?? 0) < id);
}

/** Whether a message had to come: by the rights of the stream on which it had to. */
function isDue(record: ReaderRecord, publication: Publication, stream: number): Right {
  const { channel, place, tag } = publication;
  const right = record.rightTo(publication, stream);
  if (right === 'yes' && channel !== record.own && record.history.last.has(tag)) return 'either';
  const opening = record.openings[stream];
  if (channel === record.own || right !== 'yes' || !opening || place.order >= opening.ok) return right;
  // It is replayed, if at all. Granted, revoked and granted again: it is replayed from the last grant on.
  return record.rights.mayHaveLost(channel, place.order, opening.ok) ? 'either' : 'yes';
}

/** What nobody recorded has no id to be missed by. A later reset of its channel tells of it. */
function checkUnrecorded(record: ReaderRecord, counts: Counts, publication: Publication): void {
  const { tag, channel, place } = publication;
  const first = record.reader.streams.find(({ okAt }) => okAt !== undefined);
  if (!first || place.at < first.okAt! + MARGIN) return;
  if (record.rightTo(publication, record.openings.length - 1) !== 'yes') return;
  // Whose channel it is no longer when the hole is found cannot be told of it.
  if (channel !== record.own && record.rights.mayHaveLost(channel, place.order, Number.POSITIVE_INFINITY)) return;
  counts.owed++;
  if (record.resetsOf(channel).some(({ frame }) => frame.at >= place.at)) {
    counts.covered++;
    return;
  }
  const how = `plain ${tag} of ${channel} (${place.order})`;
  record.add('lost', place.at, `${how} was never recorded, and no reset told of it`, tag);
}

/** A reset tells of something that did not come, and once on a stream. */
function checkResets(record: ReaderRecord, counts: Counts, start: number): void {
  /** By message, the last stream on which it was told of. */
  const told = new Map<string, number>();
  for (const reset of record.resets) {
    counts.resets++;
    const { channel, reason, at, stream } = reset.frame;
    const { from = 0 } = record.reader.streams[stream]!;
    const missed = record.history.publications.filter(
      (one) => one.channel === channel && isMissed(record, one, start, reset),
    );
    const news = missed.filter(({ tag, entries }) => {
      const before = told.get(tag);
      return before === undefined || (before !== stream && entries.some(({ id }) => id > from));
    });
    for (const { tag } of missed) told.set(tag, stream);
    if (news.length > 0 || (reason === 'unrecorded' && hasHole(record, reset))) continue;
    record.add('false alarm', at, `reset of ${channel} (${reason}) on stream ${stream}, with nothing missing`);
  }
}

function isMissed(record: ReaderRecord, publication: Publication, start: number, reset: Got): boolean {
  const { tag, channel, place, entries } = publication;
  const [entry] = entries;
  if (!entry || entry.id <= start || record.got.has(tag)) return false;
  const { at, stream } = reset.frame;
  if (record.rightTo(publication, stream) === 'no' || place.at > at + MARGIN) return false;
  return record.covers(reset, channel, entry.id);
}

/** What nobody recorded has no channel to be missed on: each hole entitles to a reset of every channel, on every stream. */
function hasHole({ reader, history }: ReaderRecord, { frame: { at, stream, channel }, index }: Got): boolean {
  const before = reader.frames.slice(0, index);
  const position = before.findLast(({ id }) => id > 0)?.id ?? 0;
  const last = before.findLast((one) => one.kind === 'reset' && one.channel === channel && one.stream === stream);
  const oldest = Math.max(position / 1000, last?.at ?? 0) - HOLE_TOLD_WITHIN;
  return history.holes.some((hole) => hole <= at + MARGIN && hole >= oldest);
}
