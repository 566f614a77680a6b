import { availableParallelism } from 'node:os';
import { hasOpenSet } from '../glob.ts';

/** An invalid value: the message has the problem and what is expected, and never quotes a value that may hold a password. */
export class Mistake extends Error {}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES: Record<string, number> = { '': 1, B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };
const PATTERN = /^[!-~]{1,128}$/;
/** A secret is sent in an Authorization header after `Bearer `. */
const SECRET = /^[!-~]{1,512}$/;

export function integer(least: number, most: number) {
  return (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new Mistake(`is not valid: expected a whole number from ${least} to ${most}`);
  };
}

/** Parses a number of processes; `auto` is one for each CPU that this process may use. */
export function processes(most: number) {
  return (text: string): number => {
    if (text === 'auto') return Math.min(availableParallelism(), most);
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= 1 && value <= most) return value;
    throw new Mistake(`is not valid: expected auto, or a whole number from 1 to ${most}`);
  };
}

/** Parses a duration such as `15s`. @returns milliseconds */
export function duration(least: string, most: string) {
  const [min, max] = [toMilliseconds(least)!, toMilliseconds(most)!];
  return (text: string): number => {
    const value = toMilliseconds(text);
    if (value === undefined) {
      throw new Mistake(`is no duration: expected a whole number and ms, s, m, h or d, such as 500ms, 15s or 24h`);
    }
    if (value < min || value > max) throw new Mistake(`is out of bounds: expected ${least} to ${most}`);
    return value;
  };
}

/** Parses a size such as `256KB`; KB, MB and GB are powers of 1024. @returns bytes */
export function size(least: string, most: string) {
  const [min, max] = [toBytes(least)!, toBytes(most)!];
  return (text: string): number => {
    const value = toBytes(text);
    if (value === undefined)
      throw new Mistake(`is no size: expected a whole number and KB or MB, such as 256KB or 1MB`);
    if (value < min || value > max) throw new Mistake(`is out of bounds: expected ${least} to ${most}`);
    return value;
  };
}

export function oneOf<const T extends string>(words: readonly T[]) {
  return (text: string): T => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    throw new Mistake(`is not valid: expected one of ${words.join(', ')}`);
  };
}

/** Parses words that are separated by commas, each one of `words`; an empty text is an empty list. */
export function listOf<const T extends string>(words: readonly T[]) {
  return (text: string): T[] =>
    list(text).map((item) => {
      const word = words.find((candidate) => candidate === item);
      if (word !== undefined) return word;
      throw new Mistake(`holds ${JSON.stringify(item)}: expected ${words.join(' or ')}`);
    });
}

export function host(text: string): string {
  if (/^[A-Za-z0-9.:_-]{1,253}$/.test(text)) return text;
  throw new Mistake('is no host: expected a name or an address, such as 127.0.0.1, ::1 or 0.0.0.0');
}

/** Parses a credential for `Authorization: Bearer`. A token of an identity provider may have some thousand characters. */
export function bearer(text: string): string {
  if (/^[!-~]{1,16384}$/.test(text)) return text;
  throw new Mistake('is no credential: expected 1 to 16384 visible ASCII characters without spaces');
}

export function secret(text: string): string {
  if (SECRET.test(text)) return text;
  throw new Mistake('is no secret: expected 1 to 512 visible ASCII characters without spaces');
}

/** The shortest secret that strangers may try for as long as they like (characters). */
const STRONG = 16;

/** Parses a secret that opens everything: it may be tried from outside, so it must be too long to be guessed. */
export function strongSecret(text: string): string {
  if (secret(text).length >= STRONG) return text;
  throw new Mistake(`is too short: expected ${STRONG} characters or more, such as openssl rand -base64 24 prints`);
}

/**
 * Parses a limit for each address, such as `1000` or `1000 public`. With `public` only addresses of the internet are counted: a loopback
 * or private one may be a proxy that SISYPHUS_TRUSTED_PROXIES does not name, and then everybody would share its limit.
 */
export function perAddress(text: string): { most: number; isPublicOnly: boolean } {
  const [, digits = '', rest] = /^(\d{1,8})( public)?$/.exec(text) ?? [];
  const most = Number(digits);
  if (most > 0) return { most, isPublicOnly: rest !== undefined };
  throw new Mistake(
    'is no limit: expected a whole number from 1, such as 500, or 500 public to count only public addresses',
  );
}

/** Parses Redis globs, separated by commas; an empty text is an empty list. */
export function patterns(text: string): string[] {
  return list(text).map(pattern);
}

/** Parses rules of the form `pattern=length`, separated by commas. */
export function rules(text: string): { pattern: string; length: number }[] {
  return list(text).map((rule) => {
    const at = rule.lastIndexOf('=');
    const length = /^\d{1,7}$/.test(rule.slice(at + 1)) ? Number(rule.slice(at + 1)) : 0;
    if (at > 0 && length >= 1 && length <= 1_000_000) return { pattern: pattern(rule.slice(0, at)), length };
    throw new Mistake(`holds ${JSON.stringify(rule)}: expected pattern=length, such as sticker:*=1, from 1 to 1000000`);
  });
}

export function origins(text: string): string[] {
  return list(text).map((origin) => {
    const right = originOf(origin);
    if (right === origin) return origin;
    const instead = right ?? 'scheme://host[:port] without a path and without *, such as https://app.example.com';
    throw new Mistake(`holds ${JSON.stringify(origin)}: expected ${instead}`);
  });
}

/** Parses the address of a gateway: http or https, with nothing after the host but a path. @returns it without slashes at its end */
export function gatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash) {
    return text.replace(/\/+$/, '');
  }
  throw new Mistake('is no gateway: expected http://host[:port] or https://host[:port], such as http://localhost:3001');
}

/** Parses the name of one installation among several that share a Redis. */
export function namespace(text: string): string {
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(text)) return text;
  throw new Mistake('is no namespace: expected 1 to 64 of A-Z a-z 0-9 _ . -, such as shop');
}

/** Parses the prefix that a driver puts before names; may be empty. It becomes part of patterns, so it must not have special characters. */
export function keyPrefix(text: string): string {
  if (/^sisyphus[:{]/.test(text))
    throw new Mistake("is the gateway's own: expected the prefix of the application's driver");
  if (/^[!-~]{0,64}$/.test(text) && !/[*?[\]\\]/.test(text)) return text;
  throw new Mistake(
    'is no prefix: expected 1 to 64 visible ASCII characters but * ? [ ] \\, such as laravel_database_',
  );
}

function pattern(text: string): string {
  if (text.startsWith('sisyphus:')) {
    throw new Mistake(`holds ${JSON.stringify(text)}: expected no name under sisyphus:, which are the gateway's own`);
  }
  if (PATTERN.test(text) && hasOpenSet(text)) {
    throw new Mistake(
      `holds ${JSON.stringify(text)}: [ opens a set that is not closed: expected a ], such as in room:[0-9]*`,
    );
  }
  if (PATTERN.test(text)) return text;
  throw new Mistake(`holds ${JSON.stringify(text)}: expected a pattern of Redis, such as room:* or user:[0-9]*`);
}

/** Splits a text at its commas; an empty text is an empty list. */
export function list(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(',').map((item) => item.trim());
}

function toMilliseconds(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? [];
  return digits && unit ? Number(digits) * MILLISECONDS[unit]! : undefined;
}

function toBytes(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,12})(B|KB|MB|GB|)$/i.exec(text) ?? [];
  return digits === undefined || unit === undefined ? undefined : Number(digits) * BYTES[unit.toUpperCase()]!;
}

/** An origin as a browser sends it, such as `https://a.example`, without the default port of its scheme and without a path. */
function originOf(text: string): string | undefined {
  if (!URL.canParse(text) || text.includes('*')) return undefined;
  const url = new URL(text);
  if (url.username || url.password || url.hostname === '') return undefined;
  return url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin;
}
