import type { History, Publication } from './history.ts';
import { ReaderJudge } from './reader-judge.ts';

export type Kind =
  /** A reader was owed it, and neither got it nor was told. */
  | 'lost'
  | 'double'
  | 'out of order'
  /** Published after a revocation, or given again after one. */
  | 'leaked'
  /** Published before the grant. */
  | 'early'
  /** Of a channel that was never the user's, or published by nobody. */
  | 'foreign'
  /** A reset where nothing was missed. */
  | 'false alarm'
  /** Revisions of a channel have a hole. */
  | 'revision'
  /** Not what was published, or recorded. */
  | 'altered'
  /** Nothing had failed, and it came late. */
  | 'late'
  /** Nothing had failed, and a stream was ended. */
  | 'ended'
  /** A reader was not back at the end, or what was to be recorded was not. */
  | 'stuck';

export interface Violation {
  kind: Kind;
  what: string;
  reader?: string;
  /** What it is about, for whoever looks at what happened around it. */
  tag?: string;
  at: number;
}

export interface Counts {
  published: number;
  deliveries: number;
  /** Pairs of a reader and a message: it had to come. */
  owed: number;
  /** It must not come. */
  forbidden: number;
  /** It could not be told which. */
  either: number;
  /** It did not come, and a reset told of it. */
  covered: number;
  resets: number;
  streams: number;
  changes: number;
  looks: number;
}

export interface Verdict {
  violations: Violation[];
  counts: Counts;
}

/**
 * Compares what readers got with what Redis executed, in its own order.
 *
 * Each pair of a reader and a message is owed (it has to come, once), forbidden (it must not come), covered by a reset, or
 * one of the cases in which nobody can know (see UserRights).
 */
export function judge(history: History): Verdict {
  const counts: Counts = {
    published: history.publications.length,
    deliveries: 0,
    owed: 0,
    forbidden: 0,
    either: 0,
    covered: 0,
    resets: 0,
    streams: 0,
    changes: history.lists.length,
    looks: history.looks.length,
  };
  const violations = [...checkRecord(history.publications), ...checkRevisions(history.publications)];
  for (const reader of history.readers) violations.push(...new ReaderJudge(history, reader, counts).judge());
  return { violations, counts };
}

/** Everything is recorded at most once, and plain PUBLISHes in the order in which they were made. */
function checkRecord(publications: readonly Publication[]): Violation[] {
  const violations: Violation[] = [];
  let before: Publication | undefined;
  for (const publication of publications.toSorted((a, b) => a.place.order - b.place.order)) {
    const { tag, channel, text, plain, place, entries } = publication;
    const about = { tag, at: place.at };
    if (entries.length > 1) {
      const what = `${tag} on ${channel} was recorded ${entries.length} times: ${entries.map(({ id }) => id)}`;
      violations.push({ kind: 'double', what, ...about });
    }
    const [entry] = entries;
    if (!entry) continue;
    if (entry.text !== text) {
      const what = `${tag} on ${channel} was recorded as ${JSON.stringify(entry.text)}`;
      violations.push({ kind: 'altered', what, ...about });
    }
    if (!plain) continue;
    const last = before?.entries[0]?.id ?? 0;
    if (entry.id <= last) {
      const what = `${tag} on ${channel} was published behind ${before?.tag}, and has the lower id ${entry.id}`;
      violations.push({ kind: 'out of order', what, ...about });
    }
    before = publication;
  }
  return violations;
}

/** In each channel the revisions are 1, 2, 3, … in the order of ids. */
function checkRevisions(publications: readonly Publication[]): Violation[] {
  const violations: Violation[] = [];
  const channels = new Map<string, { id: number; revision: number; tag: string; at: number }[]>();
  for (const { channel, tag, entries } of publications) {
    const rows = channels.get(channel) ?? [];
    channels.set(channel, rows);
    for (const { id, revision, moment } of entries) rows.push({ id, revision, tag, at: moment.at });
  }
  for (const [channel, rows] of channels) {
    rows.sort((a, b) => a.id - b.id);
    rows.forEach(({ revision, tag, at }, i) => {
      if (revision === i + 1) return;
      violations.push({
        kind: 'revision',
        what: `${tag} on ${channel} has revision ${revision}, not ${i + 1}`,
        tag,
        at,
      });
    });
  }
  return violations;
}
