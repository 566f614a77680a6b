import { readFileSync, statSync } from 'node:fs';
import { duration, Mistake, secret } from './values.ts';

/** How one collection is configured. */
export interface CollectionConfig {
  name: string;
  /** The member of a record that is its primary key. */
  key: string;
  /** Whether everybody may read it. */
  isPublic: boolean;
  /** Secrets, or names of publish secrets, for `/update`. */
  send: string[];
  /** The same for `/poll`. */
  receive: string[];
  /** How long a record lasts that is not written again (ms). */
  ttl: number | undefined;
  /** Whether `/poll` and `/update` mean this collection. */
  isDefault: boolean;
}

const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
/** Members beside the records in a snapshot, or in the message of a change. */
const TAKEN = new Set(['version', 'revision', 'epoch', 'id', 'key', 'error', 'message']);
const KEY = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
const MEMBERS = ['key', 'public', 'send', 'receive', 'ttl', 'default'];
const EXAMPLE = '{"drivers":{"key":"driver_name","public":true}}';
/** The largest file (bytes). */
const MAX_FILE = 1_048_576;

/** Parses JSON about collections, inline or in the file of this path. No message quotes a value, because it may be a secret. */
export function collections(text: string): CollectionConfig[] {
  if (text.trim() === '') return [];
  const isInline = /^\s*[{[]/.test(text);
  const value = parse(isInline ? text : contentOf(text), isInline ? '' : 'is a file that ');
  if (!isObject(value)) throw new Mistake(`is no JSON object: expected ${EXAMPLE}, or the path of a file`);
  const found = Object.entries(value).map(([name, one]) => collection(name, one));
  const defaults = found.filter(({ isDefault }) => isDefault).map(({ name }) => name);
  if (defaults.length > 1) throw new Mistake(`has several defaults (${defaults.join(', ')}): expected one at most`);
  return found;
}

/** What all gateways have to agree on, as JSON: the primary key of each collection, and its ttl (ms). */
export function sharedCollections(all: readonly CollectionConfig[]): string {
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  return JSON.stringify(Object.fromEntries(sorted.map(({ name, key, ttl }) => [name, { key, ttl }])));
}

function contentOf(path: string): string {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new Mistake(`is no file: expected the path of one, or JSON such as ${EXAMPLE}`);
    if (stats.size > MAX_FILE) throw new Mistake(`is a file of ${stats.size} bytes: expected up to ${MAX_FILE}`);
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof Mistake) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new Mistake(`cannot be read (${code}): expected the path of a file, or JSON such as ${EXAMPLE}`);
  }
}

function parse(text: string, which: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The message of the error would quote the text, which may hold secrets.
    throw new Mistake(`${which}${which ? 'has' : 'is'} no JSON: expected ${EXAMPLE}`);
  }
}

function collection(name: string, value: unknown): CollectionConfig {
  const where = `has the collection ${JSON.stringify(name.slice(0, 70))}, `;
  if (!NAME.test(name) || TAKEN.has(name)) {
    const words = [...TAKEN].join(', ');
    throw new Mistake(
      `${where}which is no name: expected a letter, then up to 63 of A-Z a-z 0-9 _ . -, and none of ${words}`,
    );
  }
  const fail = (member: string, expected: string): never => {
    throw new Mistake(`${where}where ${member} is not valid: expected ${expected}`);
  };
  if (!isObject(value)) throw new Mistake(`${where}which is no JSON object: expected {"key":"…"}`);
  const stranger = Object.keys(value).find((member) => !MEMBERS.includes(member));
  if (stranger !== undefined) {
    throw new Mistake(
      `${where}where ${JSON.stringify(stranger.slice(0, 40))} is unknown: expected ${MEMBERS.join(', ')}`,
    );
  }
  const { key, public: isPublic = false, default: isDefault = false, ttl } = value;
  if (typeof key !== 'string' || !KEY.test(key) || key === '__proto__') {
    return fail('key', 'the name of a member of each record, 1 to 64 of A-Z a-z 0-9 _ . -, such as "driver_name"');
  }
  if (typeof isPublic !== 'boolean') return fail('public', 'true or false');
  if (typeof isDefault !== 'boolean') return fail('default', 'true or false');
  return {
    name,
    key,
    isPublic,
    isDefault,
    send: secrets(value.send) ?? fail('send', 'a list of secrets, such as ["…"]'),
    receive: secrets(value.receive) ?? fail('receive', 'a list of secrets, such as ["…"]'),
    ttl: ttl === undefined ? undefined : (milliseconds(ttl) ?? fail('ttl', 'a time from 100ms to 365d, such as "30s"')),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns `undefined` if it is no list of secrets */
function secrets(value: unknown = []): string[] | undefined {
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || list.some((one) => typeof one !== 'string')) return undefined;
  return orUndefined(() => list.map((one: string) => secret(one)));
}

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'string' ? orUndefined(() => duration('100ms', '365d')(value)) : undefined;
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Mistake) return undefined;
    throw error;
  }
}
