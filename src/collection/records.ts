import { SisyphusError } from '../errors.ts';
import { elementsOf, membersOf } from '../message/json-source.ts';

/** A record that is written, or one that is deleted. */
export interface Entry {
  /** The primary key, as text. */
  key: string;
  /** The JSON of the record, on one line; `undefined` if the record is deleted. */
  text: string | undefined;
}

/** What a record has to be. */
export interface RecordRules {
  /** The name of the primary key. */
  key: string;
  /** Bytes. */
  maxMessage: number;
}

/** The most records of a collection. The Lua side is lua/collections.lua. */
export const MOST_RECORDS = 100_000;
/** The longest primary key (bytes). */
const MOST_KEY = 256;
/** A control character of ASCII. */
const CONTROL = /[^ -~\u0080-\uffff]/;
const BATCH = '[{"type":"update","data":{record}},{"type":"delete","data":{key}}]';

/** Reads a JSON list of records. The Lua side is lua/collection-changes.lua. @throws SisyphusError `bad_request`, `too_large` */
export function readList(text: string, rules: RecordRules): Entry[] {
  const expected = `[{"${rules.key}":"…"},…]`;
  const entries = elements(text, expected).map(([value, source], index) =>
    entryOf(value, source, rules, `record [${index}]`, expected),
  );
  return requireDistinct(entries, 'record');
}

/** Reads a JSON list of updates and deletions. @throws SisyphusError `bad_request`, `too_large` */
export function readBatch(text: string, rules: RecordRules): Entry[] {
  const entries = elements(text, BATCH).map(([value, source], index) => {
    const which = `element [${index}]`;
    const { type, data } = objectOf(value, which, BATCH);
    const names = Object.keys(value as object);
    if (names.length !== 2 || !names.includes('type') || !names.includes('data')) {
      throw wrong(`${which} has not just type and data`, BATCH);
    }
    if (type !== 'update' && type !== 'delete') throw wrong(`${which} has an unknown type`, BATCH);
    const entry = entryOf(data, membersOf(source).get('data')!, rules, which, BATCH);
    return type === 'update' ? entry : { ...entry, text: undefined };
  });
  return requireDistinct(entries, 'element');
}

/** The same batch as text, with nothing but what was read of it. */
export function formatBatch(entries: readonly Entry[], key: string): string {
  const elementOf = (entry: Entry): string =>
    entry.text === undefined
      ? `{"type":"delete","data":{${JSON.stringify(key)}:${JSON.stringify(entry.key)}}}`
      : `{"type":"update","data":${entry.text}}`;
  return `[${entries.map(elementOf).join(',')}]`;
}

export function formatList(entries: readonly Entry[]): string {
  return `[${entries.map(({ text }) => text).join(',')}]`;
}

/** The primary key of a record as text. A whole number counts as its digits. @returns `undefined` if it has none */
export function keyOf(record: Record<string, unknown>, name: string): string | undefined {
  const value = Object.hasOwn(record, name) ? record[name] : undefined;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  return typeof value === 'string' ? value : undefined;
}

function elements(text: string, expected: string): [unknown, string][] {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (error) {
    throw wrong('the text is no JSON', expected, error);
  }
  if (!Array.isArray(values)) throw wrong('the text is no JSON list', expected);
  const sources = elementsOf(text);
  return values.map((value, index) => [value, sources[index]!]);
}

function objectOf(value: unknown, which: string, expected: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(`${which} is no JSON object`, expected);
}

function entryOf(
  value: unknown,
  source: string,
  { key: name, maxMessage }: RecordRules,
  which: string,
  expected: string,
): Entry {
  const record = objectOf(value, which, expected);
  const size = Buffer.byteLength(source);
  if (size > maxMessage) {
    throw new SisyphusError('too_large', `${which} has ${size} bytes; a record may have ${maxMessage}`);
  }
  const key = keyOf(record, name);
  if (key === undefined) throw wrong(`${which} has no ${name} that is a string or a whole number`, expected);
  if (key === '' || Buffer.byteLength(key) > MOST_KEY || CONTROL.test(key)) {
    const bounds = `longer than ${MOST_KEY} bytes, or has control characters`;
    throw wrong(`${which} has a ${name} that is empty, ${bounds}`, expected);
  }
  if (key === '__proto__' || Object.hasOwn(record, '__proto__')) {
    throw wrong(`${which} has the name __proto__, which is no data in JavaScript`, expected);
  }
  return { key, text: source.replace(/[\t\r\n]/g, ' ') };
}

function requireDistinct(entries: Entry[], what: string): Entry[] {
  const seen = new Set<string>();
  for (const [index, { key }] of entries.entries()) {
    if (seen.has(key)) throw wrong(`${what} [${index}] has a primary key that came before`, 'each one once');
    seen.add(key);
  }
  return entries;
}

function wrong(problem: string, expected: string, cause?: unknown): SisyphusError {
  return new SisyphusError('bad_request', `${problem}: expected ${expected}`, { cause });
}
