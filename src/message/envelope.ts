import { isPlain, type Message } from './message.ts';
import { formatPlace, parsePlace, placeOf } from './place.ts';
import { isAfter, parsePosition } from './position.ts';
import { formatRights, parseRights, type RightsChange } from './rights-change.ts';
import { parseTrace } from './trace.ts';

/** Any client that may PUBLISH can send an envelope on a topic: an invalid event name could start a field of its own on a stream. */
const EVENT = /^(-|=[A-Za-z0-9_.:-]{1,128})$/;
const REVISION = /^[1-9][0-9]{0,15}$/;

/**
 * Parses an envelope, the form in which messages are published and kept in Redis: one header line, then the payload byte for byte.
 *
 * `<id> <revision> <previous> <place> <flags> <event>[ <rights>]\n<payload>`
 *
 * - place: `-`, or for a plain PUBLISH `<id>.<number>`; event: `-` or `=<name>`
 * - flags: `-`, or `o` (oversize); then, if the message has a trace, `/<traceparent>`, which has no `o`: gateways of version 0.1 look for
 *   that letter and for nothing else
 * - rights: as in rights-change.ts
 *
 * An envelope with revision 0 and no payload is a note: the list of a user was read, and had a change that no message has announced.
 *
 * The Lua side is `append` in store/redis/lua/append.lua.
 *
 * @throws TypeError if it is no envelope
 */
export function parseEnvelope(channel: string, envelope: Buffer): Message {
  const end = envelope.indexOf(10);
  const fields = envelope.toString('latin1', 0, Math.max(end, 0)).split(' ');
  const [id = '', revision = '', previous = '', at = '', flags = '', event = ''] = fields;
  const position = parsePosition(id);
  const before = parsePosition(previous);
  const place = at === '-' ? position && placeOf(position) : parsePlace(at);
  const isRight = end >= 0 && REVISION.test(revision) && EVENT.test(event) && place !== undefined;
  if (!isRight || position === undefined || before === undefined || !isAfter(position, before)) {
    throw new TypeError(`not an envelope on ${channel}: ${JSON.stringify(envelope.toString('latin1', 0, 80))}`);
  }
  return {
    channel,
    id: position,
    revision: Number(revision),
    previous: before,
    place,
    event: event === '-' ? undefined : event.slice(1),
    payload: envelope.subarray(end + 1),
    oversize: flags.startsWith('o'),
    trace: flags.length > 1 ? parseTrace(flags.slice(2)) : undefined,
    rights: rightsOf(fields),
  };
}

/** The change of rights that a note carries; `undefined` for the envelope of a message. */
export function parseNote(envelope: Buffer): RightsChange | undefined {
  const fields = envelope.toString('latin1', 0, Math.max(envelope.indexOf(10), 0)).split(' ');
  return fields[1] === '0' ? rightsOf(fields) : undefined;
}

export function formatEnvelope(message: Message): Buffer {
  const { id, revision, previous, place, oversize, trace, event, rights } = message;
  const at = isPlain(message) ? formatPlace(place) : '-';
  const flags = `${oversize ? 'o' : '-'}${trace === undefined ? '' : `/${trace}`}`;
  const fields = [id, revision, previous, at, flags, event === undefined ? '-' : `=${event}`];
  if (rights) fields.push(formatRights(rights));
  return Buffer.concat([Buffer.from(`${fields.join(' ')}\n`, 'latin1'), message.payload]);
}

function rightsOf(fields: string[]): RightsChange | undefined {
  return fields.length > 8 ? parseRights(fields.slice(6).join(' ')) : undefined;
}
