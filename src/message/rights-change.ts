import { formatPlace, type Place, parsePlace } from './place.ts';
import { BEGINNING, type Position, parsePosition } from './position.ts';

/** The right to one channel began or ended at this place. */
export interface Change {
  channel: string;
  kind: 'granted' | 'revoked';
  place: Place;
  /** The place that was assumed before, if it has moved: a plain PUBLISH that was recorded since may have announced the change. */
  was?: Place;
  /** The id of the message that told that it has moved: a reader with an earlier position took `was` for its place. */
  told?: Position;
}

/** How a user's list of channels changed: with a message on the user's own channel, or found when the list was read. */
export interface RightsChange {
  /** `before` and `now` are the versions of the list before and after the change; equal if nothing changed. */
  before: Position;
  now: Position;
  /**
   * In the order in which they are applied; `undefined` if there are too many, or if no list was known before: then the list has
   * to be read.
   */
  changes: Change[] | undefined;
}

/**
 * `<version before> <version now> -` (no change), `… ?` (read the list), or `… ? +room:1/<place>,-room:2/<place>/<place before>`.
 * The question mark is for gateways of version 0.1, which read the list if they find one.
 */
export function formatRights({ before, now, changes }: RightsChange): string {
  const versions = `${before} ${now}`;
  if (!changes) return `${versions} ?`;
  return changes.length === 0 ? `${versions} -` : `${versions} ? ${changes.map(formatChange).join(',')}`;
}

/** Parses what `formatRights` writes. Changes that cannot be parsed count as too many. */
export function parseRights(text: string): RightsChange {
  const [before = '', now = '', known = '', changes = ''] = text.split(' ');
  return {
    before: parsePosition(before) ?? BEGINNING,
    now: parsePosition(now) ?? BEGINNING,
    changes: known === '-' ? [] : parseChanges(changes),
  };
}

/**
 * Parses a list of changes. If the store answers a change that has moved, the id of the message that told of the move follows it:
 * `+room:1/<place>/<place before>/<id>`.
 *
 * @returns `undefined` if one of the changes cannot be parsed
 */
export function parseChanges(text: string): Change[] | undefined {
  const changes: Change[] = [];
  for (const part of text.split(',')) {
    const change = parseChange(part);
    if (!change) return undefined;
    changes.push(change);
  }
  return changes;
}

function formatChange({ channel, kind, place, was }: Change): string {
  const sign = kind === 'granted' ? '+' : '-';
  return `${sign}${channel}/${formatPlace(place)}${was ? `/${formatPlace(was)}` : ''}`;
}

function parseChange(text: string): Change | undefined {
  const [name = '', at = '', before, id] = text.split('/');
  const place = parsePlace(at);
  if (place === undefined || !/^[+-]./.test(name)) return undefined;
  const change: Change = { channel: name.slice(1), kind: name[0] === '+' ? 'granted' : 'revoked', place };
  const was = before === undefined ? undefined : parsePlace(before);
  if (!was) return change;
  const told = id === undefined ? undefined : parsePosition(id);
  return { ...change, was, ...(told !== undefined && { told }) };
}
