import type { History } from './history.ts';
import type { Counts, Violation } from './oracle.ts';
import type { Deed } from './stage.ts';

/** Rows that are shown before and behind what a violation is about. */
const NEIGHBOURS = 12;

interface Row {
  at: number;
  /** Where it is known: Redis's own order, which is finer than its clock. */
  order?: number;
  text: string;
  /** The reader who got it. */
  got?: string;
  /** The reader whose stream it is. */
  streamOf?: string;
  /** The user whose list changed. */
  listOf?: string;
}

/** Everything that happened in a world, in its order. */
export function ledgerOf(history: History, deeds: readonly Deed[]): Row[] {
  const rows: Row[] = deeds.map(({ at, what }) => ({ at, text: `!! ${what}` }));
  for (const { tag, channel, plain, place, entries } of history.publications) {
    if (plain) rows.push({ ...place, text: `PUBLISH ${channel} ${tag}` });
    for (const { moment, id, revision } of entries) {
      rows.push({
        ...moment,
        text: `${plain ? '  record' : 'script'} ${channel} ${tag} = ${id}, revision ${revision}`,
      });
    }
  }
  for (const { user, moment, atomic, channels } of history.lists) {
    const how = atomic ? 'by script: list' : 'list';
    rows.push({ ...moment, listOf: user, text: `${how} of ${user} is ${channels.join(' ') || 'empty'}` });
  }
  for (const { user, moment } of history.looks) rows.push({ ...moment, text: `  the list of ${user} is read` });
  for (const { name, user, streams, frames } of history.readers) {
    const who = `${name} (${user})`;
    streams.forEach(({ requestedAt, okAt, closedAt, closedBy, from, gateway }, i) => {
      rows.push({
        at: requestedAt,
        streamOf: name,
        text: `> ${who} opens stream ${i} at ${gateway}, from ${from ?? 'now'}`,
      });
      if (okAt !== undefined) rows.push({ at: okAt, streamOf: name, text: `> ${who} has the ok of stream ${i}` });
      if (closedAt !== undefined)
        rows.push({ at: closedAt, streamOf: name, text: `> stream ${i} of ${who} is closed by the ${closedBy}` });
    });
    for (const { at, kind, id, text, channel, reason } of frames) {
      if (kind !== 'message' && kind !== 'reset') continue;
      const what = kind === 'reset' ? `reset ${channel} ${reason}` : text.split(/\s/)[0];
      rows.push({ at, got: name, text: `    ${who} gets ${id} ${what}` });
    }
  }
  return rows.sort((a, b) => (a.order !== undefined && b.order !== undefined ? a.order - b.order : a.at - b.at));
}

/** The whole of a world, as text. */
export function writeLedger(history: History, deeds: readonly Deed[]): string {
  const rows = ledgerOf(history, deeds);
  const [{ at: began } = { at: 0 }] = rows;
  return rows.map((row) => lineOf(row, began)).join('\n');
}

function lineOf({ at, order, text }: Row, from: number): string {
  return `${(at - from).toFixed(1).padStart(8)} ms ${String(order ?? '').padStart(7)} ${text}`;
}

/**
 * A violation, and what happened around it: the rows next to those that are about its message, what the user's list was, and
 * every stream of its reader. What other readers got is left out, unless it is that message.
 */
export function describe(violation: Violation, history: History, deeds: readonly Deed[]): string {
  const { kind, what, reader, tag, at } = violation;
  const rows = ledgerOf(history, deeds).filter((row) => !row.got || !reader || row.got === reader || isAbout(row, tag));
  const about = rows.flatMap((row, i) => (isAbout(row, tag) ? [i] : []));
  if (about.length === 0) about.push(rows.findIndex((row) => row.at >= at));
  const user = history.readers.find(({ name }) => name === reader)?.user;
  let skipped = false;
  const lines = rows.flatMap((row, i) => {
    const isNear = about.some((place) => Math.abs(place - i) <= NEIGHBOURS);
    if (!isNear && !(row.streamOf === reader && reader) && !(row.listOf === user && user)) {
      const gap = skipped ? [] : ['      …'];
      skipped = true;
      return gap;
    }
    skipped = false;
    const mark = isAbout(row, tag) ? '*' : ' ';
    return [
      `    ${mark} ${(row.at - at).toFixed(1).padStart(8)} ms ${String(row.order ?? '').padStart(7)} ${row.text}`,
    ];
  });
  return [`${kind.toUpperCase()} in ${history.world}: ${what}`, ...lines].join('\n');
}

function isAbout({ text }: Row, tag: string | undefined): boolean {
  return tag !== undefined && text.split(' ').includes(tag);
}

export function addCounts(to: Counts, more: Counts): Counts {
  const sum = { ...to };
  for (const name of Object.keys(more) as (keyof Counts)[]) sum[name] += more[name];
  return sum;
}
