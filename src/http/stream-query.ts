import type { Format } from '../connection/encode.ts';
import { parsePosition } from '../message/position.ts';
import { MAX_OVERLAP, parseStart, type Start } from '../reading/start.ts';
import { type Identity, identify } from './identify.ts';

export interface StreamQuery {
  identity: Identity;
  format: Format;
  start: Start;
  /** What was ignored, a sentence each, in printable ASCII. */
  notes: string[];
}

const PARAMETERS = new Set(['user', 'format', 'lastEventId', 'since', 'overlap']);
const FORMATS = new Set<string>(['raw', 'json'] satisfies Format[]);
/** An address of 64 KB may hold thousands of parameters. */
const MAX_NOTES = 8;
const MAX_QUOTED = 40;

/**
 * Reads what a request for a stream asks for. What cannot be obeyed is ignored and named in `notes`: a refusal would end an
 * EventSource for good.
 */
export function readStreamQuery(querystring: string, lastEventIdHeader: string | undefined): StreamQuery {
  const query = new URLSearchParams(querystring);
  const format = lastOf(query, 'format');
  const since = lastOf(query, 'since');
  const overlap = lastOf(query, 'overlap');
  // A polyfill appends its own to an address that already has one. An empty one is no position, so the one before it counts.
  const lastEventId = query.getAll('lastEventId').findLast((text) => text !== '');
  return {
    identity: identify(query),
    format: format === 'json' ? 'json' : 'raw',
    start: parseStart({ lastEventIdHeader, lastEventId, since, overlap }),
    notes: [
      ...notesOnNames(query),
      ...(format === undefined || FORMATS.has(format) ? [] : [`${quote('format', format)}: expected raw or json`]),
      ...notesOnPosition('lastEventId', lastEventId),
      ...notesOnPosition('since', since),
      ...notesOnOverlap(overlap),
    ].slice(0, MAX_NOTES),
  };
}

function lastOf(query: URLSearchParams, name: string): string | undefined {
  return query.getAll(name).at(-1);
}

function notesOnNames(query: URLSearchParams): string[] {
  const notes: string[] = [];
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (!PARAMETERS.has(name)) notes.push(`unknown parameter ${show(name)}: expected ${[...PARAMETERS].join(', ')}`);
    else if (name !== 'user' && name !== 'lastEventId' && query.getAll(name).length > 1)
      notes.push(`${name} is repeated: the last one counts`);
    if (notes.length === MAX_NOTES) break;
  }
  return notes;
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

/** Client text must not end the comment line or fill the log. */
function show(text: string): string {
  const printable = text.slice(0, MAX_QUOTED).replace(/[^!-~]/g, '?');
  return text.length > MAX_QUOTED ? `${printable}...` : printable;
}
