import type { Message, RightsChange } from './message.ts';
import { isAfter, type Position, parsePosition } from './position.ts';

/** Whoever may PUBLISH may say this on a topic too: a name that is none could start a field of its own on a stream. */
const EVENT = /^(-|=[A-Za-z0-9_.:-]{1,128})$/;
const REVISION = /^[1-9][0-9]{0,15}$/;

/**
 * What travels through Redis and lies in the backlog: one line of header, then the payload byte for byte.
 *
 * `<id> <revision> <previous> <after> <flags> <event>[ <rights before> <rights now> <changes>]\n<payload>`
 *
 * - after: `-`, or for a plain PUBLISH its place: a position, a dot, and its number behind that; event: `-` or `=<name>`
 * - flags: `-`, `o` (oversize), `a` (atomic: the rights were changed in the very command)
 * - changes: `-` (none), `?` (read the list), or `+room:1,-room:2`
 *
 * The Lua twin is `append` in store/redis/lua/append.lua.
 */
export function parseEnvelope(channel: string, envelope: Buffer): Message {
  const end = envelope.indexOf(10);
  const fields = envelope.toString('latin1', 0, Math.max(end, 0)).split(' ');
  const [id = '', revision = '', previous = '', after = '', flags = '', event = ''] = fields;
  const position = parsePosition(id);
  const before = parsePosition(previous);
  const isRight = end >= 0 && REVISION.test(revision) && EVENT.test(event);
  if (!isRight || position === undefined || before === undefined || !isAfter(position, before)) {
    throw new TypeError(`not an envelope on ${channel}: ${JSON.stringify(envelope.toString('latin1', 0, 80))}`);
  }
  return {
    channel,
    id: position,
    revision: Number(revision),
    previous: before,
    after: after === '-' ? undefined : parsePosition(after.split('.', 1)[0]!),
    event: event === '-' ? undefined : event.slice(1),
    payload: envelope.subarray(end + 1),
    oversize: flags.includes('o'),
    rights: fields.length > 8 ? parseRights(fields[6]!, fields[7]!, fields[8]!, flags.includes('a')) : undefined,
  };
}

export function formatEnvelope(message: Message): Buffer {
  const { id, revision, previous, after, oversize, event, rights } = message;
  const flags = `${oversize ? 'o' : ''}${rights?.atomic ? 'a' : ''}` || '-';
  const fields = [id, revision, previous, after ?? '-', flags, event === undefined ? '-' : `=${event}`];
  if (rights) fields.push(formatRights(rights));
  return Buffer.concat([Buffer.from(`${fields.join(' ')}\n`, 'latin1'), message.payload]);
}

/** `<rights before> <rights now> <changes>`: all but whether it was atomic. */
export function formatRights(rights: RightsChange): string {
  return `${rights.before} ${rights.now} ${formatChanges(rights)}`;
}

/** What `formatRights` made. */
export function readRights(text: string, atomic: boolean): RightsChange {
  const [before = '', now = '', changes = ''] = text.split(' ');
  return parseRights(before, now, changes, atomic);
}

function parseRights(before: string, now: string, changes: string, atomic: boolean): RightsChange {
  const versions = { before: parsePosition(before) ?? (0 as Position), now: parsePosition(now) ?? (0 as Position) };
  if (changes === '?') return { ...versions, added: undefined, removed: undefined, atomic };
  const added: string[] = [];
  const removed: string[] = [];
  if (changes !== '-') {
    for (const change of changes.split(',')) (change[0] === '+' ? added : removed).push(change.slice(1));
  }
  return { ...versions, added, removed, atomic };
}

function formatChanges({ added, removed }: RightsChange): string {
  if (!added || !removed) return '?';
  const changes = [...added.map((channel) => `+${channel}`), ...removed.map((channel) => `-${channel}`)];
  return changes.length === 0 ? '-' : changes.join(',');
}
