import { isDeepStrictEqual } from 'node:util';
import type { Snapshot } from '../../collection/collections.ts';
import { keyOf, readList } from '../../collection/records.ts';

/**
 * What makes a list of a snapshot, as the arguments of `sisyphus_change_records`: kind, primary key and record of each. It is worked out here
 * if the list is large, because Redis does nothing else meanwhile. Empty if nothing is different.
 *
 * @throws SisyphusError `bad_request`
 */
export function differenceOf(snapshot: Snapshot, list: string): string[] {
  const { key: name, records } = snapshot;
  const stored = new Map(records.map((text) => [keyOf(JSON.parse(text) as Record<string, unknown>, name)!, text]));
  const args: string[] = [];
  // The library knows the largest record.
  for (const { key, text = '' } of readList(list, { key: name, maxMessage: Number.POSITIVE_INFINITY })) {
    const before = stored.get(key);
    stored.delete(key);
    if (before === undefined) args.push('c', key, text);
    else if (!areSame(before, text)) args.push('u', key, text);
  }
  for (const key of [...stored.keys()].sort()) args.push('d', key, '');
  return args;
}

function areSame(one: string, other: string): boolean {
  return one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
}
