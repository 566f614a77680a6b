import { createHash, randomBytes } from 'node:crypto';
import { isUser } from './names.ts';

/** The part of a token that stores keep. */
export interface TokenHash {
  user: string;
  /** SHA-256 of the token's second part, in base64url. */
  hash: string;
}

/** How long a token is still valid (ms); or that it was valid once, if that is not long ago; `unknown` for any other. */
export type TokenState = number | 'expired' | 'revoked' | 'unknown';

/** Looks up tokens. */
export interface TokenReader {
  /**
   * Answers in the order of the tokens. Works also while the store takes no writes.
   * @throws SisyphusError `redis_unavailable`, `redis_refused`
   */
  read(tokens: TokenHash[]): Promise<TokenState[]>;
}

/** The tokens of all users, of which a store has only hashes. Every call is one atomic step, and rejects with a SisyphusError. */
export interface Tokens extends TokenReader {
  /** Adds a token that is valid for `ttl` ms. Answers when it ends (ms since 1970). */
  add(token: TokenHash, ttl: number): Promise<number>;
  /** Revokes one token, or all of a user, and ends the streams that were opened with them. Answers how many tokens were revoked. */
  revoke(which: TokenHash | { user: string; hash?: undefined }): Promise<number>;
}

/** Bytes of the second part. */
const RANDOM = 32;
const SHAPE = /^([\w-]{2,172})\.([\w-]{43})$/;
const YEAR = 31_536_000_000;
const UNITS: Record<string, number> = { '': 1000, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Makes a token: `<user>.<256 random bits>`, both in base64url, so that it needs no escaping anywhere. The user is part of it because all tokens
 * of a user are kept together. The Lua side is lua/tokens.lua.
 */
export function newToken(user: string): TokenHash & { token: string } {
  const secret = randomBytes(RANDOM).toString('base64url');
  return { user, hash: hashOf(secret), token: `${Buffer.from(user).toString('base64url')}.${secret}` };
}

/** Parses a token; `undefined` if it is none. */
export function parseToken(text: string): TokenHash | undefined {
  const [, name = '', secret = ''] = SHAPE.exec(text) ?? [];
  const user = Buffer.from(name, 'base64url').toString('latin1');
  // Several texts may stand for the same bytes; only one of them is the token.
  const isExact = Buffer.from(user, 'latin1').toString('base64url') === name;
  return isExact && isUser(user) ? { user, hash: hashOf(secret) } : undefined;
}

/** Parses how long a token is valid: `1h`, or a number of seconds. @returns milliseconds; `undefined` if it is not between 1 s and 365 d */
export function parseTtl(value: unknown): number | undefined {
  const [, number = '', unit = ''] =
    /^(\d{1,15})([a-z]*)$/.exec(typeof value === 'number' ? String(value) : text(value)) ?? [];
  const ttl = number === '' || !Object.hasOwn(UNITS, unit) ? Number.NaN : Number(number) * UNITS[unit]!;
  return ttl >= 1000 && ttl <= YEAR ? ttl : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
