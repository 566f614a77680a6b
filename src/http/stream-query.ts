import type { HttpRequest } from '../auth/http-request.ts';
import { FORMATS, type Format, formatOf } from '../connection/encode.ts';
import { isChannel } from '../message/names.ts';
import { parsePosition } from '../message/position.ts';
import { MAX_OVERLAP, parseStart, type Start } from '../reading/start.ts';

export interface StreamQuery {
  format: Format;
  start: Start;
  /** Whether the response ends with the first messages. */
  isPoll: boolean;
  /** The channels that the request names; `undefined`: it names none, and asks for all that the user may read. */
  named: ReadonlySet<string> | undefined;
  /** One sentence for each parameter or value that was ignored, in printable ASCII. */
  notes: string[];
}

/** The parameters that this file reads. In notes, those that the authenticator reads come before them. */
const PARAMETERS = ['c', 'poll', 'format', 'lastEventId', 'since', 'overlap'];
/** If one of these parameters is repeated, the last one counts. */
const SINGLE = new Set(['format', 'since', 'overlap']);
/** The number of notes is limited, because an address of 64 KB may hold thousands of parameters. */
const MAX_NOTES = 8;
/** A name or a value that a note quotes. One that is longer may be a credential in the wrong place. */
const QUOTED = /^[\w.[\]-]{0,20}$/;
/** The beginning of any other one that a note quotes: a short word, such as `json` in `json?access_token=…`. */
const BEGINNING = /^[\w.[\]-]{1,12}(?![\w.[\]-])/;

/**
 * Reads the parameters of a request for a stream. A parameter or value that is unknown or invalid is ignored and named in `notes`,
 * because a refusal would end an EventSource for good.
 *
 * @param others the parameters that the authenticator reads
 */
export function readStreamQuery(request: HttpRequest, others: readonly string[]): StreamQuery {
  const { query } = request;
  const format = lastOf(query, 'format');
  const since = lastOf(query, 'since');
  const overlap = lastOf(query, 'overlap');
  // A polyfill appends its own `lastEventId` to an address that may have one. An empty one is no position: the one before it counts.
  const lastEventId = query.getAll('lastEventId').findLast((text) => text !== '');
  const names = query.getAll('c');
  return {
    isPoll: query.has('poll'),
    named: names.length === 0 ? undefined : new Set(names.filter(isChannel)),
    format: formatOf(format),
    start: parseStart({ lastEventIdHeader: request.valuesOf('last-event-id').join(', '), lastEventId, since, overlap }),
    notes: [
      ...notesOnNames(query, [...others, ...PARAMETERS]),
      ...(format === undefined || format === formatOf(format)
        ? []
        : [`${quote('format', format)}: expected ${FORMATS.join(', ')}`]),
      ...notesOnChannels(names),
      ...notesOnPosition('lastEventId', lastEventId),
      ...notesOnPosition('since', since),
      ...notesOnOverlap(overlap),
    ].slice(0, MAX_NOTES),
  };
}

function lastOf(query: URLSearchParams, name: string): string | undefined {
  return query.getAll(name).at(-1);
}

function notesOnNames(query: URLSearchParams, known: readonly string[]): string[] {
  const notes: string[] = [];
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (!known.includes(name)) notes.push(`unknown parameter ${show(name)}: expected ${known.join(', ')}`);
    else if (SINGLE.has(name) && query.getAll(name).length > 1) notes.push(`${name} is repeated: the last one counts`);
    if (notes.length === MAX_NOTES) break;
  }
  return notes;
}

function notesOnChannels(names: string[]): string[] {
  const odd = names.find((name) => !isChannel(name));
  return odd === undefined ? [] : [`${quote('c', odd)}: expected the name of a channel, such as room:918`];
}

function notesOnPosition(name: string, text: string | undefined): string[] {
  if (!text || parsePosition(text) !== undefined) return [];
  return [`${quote(name, text)}: expected the id of a message, such as 1795206467123456`];
}

function notesOnOverlap(text: string | undefined): string[] {
  if (!text || /^0*$/.test(text)) return [];
  if (!/^\d{1,9}$/.test(text)) return [`${quote('overlap', text)}: expected a number from 1 to ${MAX_OVERLAP}`];
  return Number(text) > MAX_OVERLAP ? [`overlap=${text}: ${MAX_OVERLAP} is the most, and counts`] : [];
}

function quote(name: string, value: string): string {
  return `${name}=${show(value)}`;
}

/** Quotes text of the client so that it cannot end the comment line in the stream, fill the log, or show a credential. */
function show(text: string): string {
  if (QUOTED.test(text)) return text;
  const [beginning] = BEGINNING.exec(text) ?? [];
  return beginning === undefined ? `(${text.length} characters)` : `${beginning}...`;
}
