import { isDeepStrictEqual } from 'node:util';
import type { Snapshot } from '../../collection/collections.ts';
import { keyOf, readList } from '../../collection/records.ts';

/**
 * What makes a list of a snapshot, as the last argument of `sisyphus_change_records`: a line for each record. It is worked out here if the list is
 * large, because Redis does nothing else meanwhile. Empty if nothing is different.
 *
 * @throws SisyphusError `bad_request`
 */
export function differenceOf(snapshot: Snapshot, list: string): string {
  const { key: name, records } = snapshot;
  const stored = new Map(records.map((text) => [keyOf(JSON.parse(text) as Record<string, unknown>, name)!, text]));
  const lines: string[] = [];
  // The library knows the largest record.
  for (const { key, text = '' } of readList(list, { key: name, maxMessage: Number.POSITIVE_INFINITY })) {
    const before = stored.get(key);
    stored.delete(key);
    if (before === undefined) lines.push(`c${key}\t${text}`);
    else if (!areSame(before, text)) lines.push(`u${key}\t${text}`);
  }
  for (const key of [...stored.keys()].sort()) lines.push(`d${key}\t`);
  return lines.join('\n');
}

function areSame(one: string, other: string): boolean {
  return one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
}
