/** A record of a dictionary. */
export type Item = Record<string, unknown>;

/** One update of a dictionary: a record that is written as a whole, or one that is deleted, of which the primary key is enough. */
export interface Update {
  type: 'update' | 'delete';
  data: Item;
}

/** What an update has done to a record. */
export type Fate = 'created' | 'updated' | 'deleted';

/** By primary key. */
export type State = Map<string, Item>;

/**
 * Applies updates to a state, in their order.
 *
 * @param key the name of the primary key
 * @param watch if set, a record counts as updated only if one of these members is different
 * @returns what has happened to each record that is another one now
 */
export function applyUpdates(
  state: State,
  updates: readonly Update[],
  key: string,
  watch?: readonly string[],
): Map<string, Fate> {
  const before = new Map<string, Item | undefined>();
  for (const { type, data } of updates) {
    const name = nameOf(data, key);
    if (!before.has(name)) before.set(name, state.get(name));
    if (type === 'update') state.set(name, data);
    else state.delete(name);
  }
  return fatesOf(before, state, watch);
}

/** As `applyUpdates`, for updates that are a whole state: what is not among them is deleted. */
export function replaceState(
  state: State,
  updates: readonly Update[],
  key: string,
  watch?: readonly string[],
): Map<string, Fate> {
  const before = new Map<string, Item | undefined>(state);
  state.clear();
  for (const { data } of updates) {
    const name = nameOf(data, key);
    if (!before.has(name)) before.set(name, undefined);
    state.set(name, data);
  }
  return fatesOf(before, state, watch);
}

/** @throws TypeError if the record has no primary key */
export function nameOf(data: Item, key: string): string {
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new TypeError(`a record has no ${key}: expected a text or a number`);
}

function fatesOf(
  before: ReadonlyMap<string, Item | undefined>,
  state: State,
  watch: readonly string[] | undefined,
): Map<string, Fate> {
  const fates = new Map<string, Fate>();
  for (const [name, old] of before) {
    const now = state.get(name);
    if (now === undefined) {
      if (old !== undefined) fates.set(name, 'deleted');
    } else if (old === undefined) fates.set(name, 'created');
    else if (differs(old, now, watch)) fates.set(name, 'updated');
  }
  return fates;
}

function differs(old: Item, now: Item, watch: readonly string[] | undefined): boolean {
  if (watch) return watch.some((member) => JSON.stringify(old[member]) !== JSON.stringify(now[member]));
  return JSON.stringify(old) !== JSON.stringify(now);
}
