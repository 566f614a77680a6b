import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { list, Mistake } from './values.ts';

/** A token of RFC 9110, 5.6.2: what a header or a cookie may be called. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
/** Headers that mean something else, so that no proxy can be asked to set them. */
const TAKEN =
  /^(?:host|connection|cookie|authorization|origin|content-length|transfer-encoding|last-event-id|x-sisyphus-secret)$/i;
/** The algorithms that a token may be signed with (RFC 7518, 3.1, and RFC 8037). There is no `none`. */
export const ALGORITHMS = [
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];

/** A range of addresses: the first address, and how many of its bits count. */
export type Range = ReturnType<typeof ipaddr.parseCIDR>;

export function headerName(text: string): string {
  if (TOKEN.test(text) && !TAKEN.test(text)) return text;
  throw new Mistake('is no name for this header: expected one that nothing else uses, such as X-Sisyphus-User');
}

export function cookieName(text: string): string {
  if (TOKEN.test(text)) return text;
  throw new Mistake('is no name of a cookie: expected letters, digits, - and _, such as session_token');
}

/** Parses addresses and ranges in the notation of RFC 4632, separated by commas. */
export function ranges(text: string): Range[] {
  return list(text).map((item) => {
    const isRange = ipaddr.isValidCIDR(item);
    if (isRange || isAddress(item)) {
      return isRange ? ipaddr.parseCIDR(item) : [ipaddr.parse(item), item.includes(':') ? 128 : 32];
    }
    const right = 'expected an address or a range, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8';
    throw new Mistake(`holds ${JSON.stringify(item)}: ${right}`);
  });
}

/** Parses the address of a service that the gateway asks. It may hold a password, so no message quotes it. */
export function serviceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !url.hash) return text;
  throw new Mistake(
    'is no address: expected http:// or https://, a host, and a path, such as http://127.0.0.1:3000/me',
  );
}

export function algorithms(text: string): string[] {
  return list(text).map((item) => {
    if (ALGORITHMS.includes(item)) return item;
    throw new Mistake(`holds ${JSON.stringify(item)}: expected some of ${ALGORITHMS.join(', ')}`);
  });
}

/** Parses a public key in PEM, or the path of a file with one. The line ends of a PEM may be written as `\n`. */
export function publicKey(text: string): KeyObject {
  const pem = text.trimStart().startsWith('-----BEGIN') ? text.replaceAll('\\n', '\n') : contentOf(text);
  if (isPrivate(pem)) throw new Mistake('is a private key: expected the public one, since the gateway only verifies');
  const key = keyOf(pem);
  if (algorithmsFor(key).length > 0) return key;
  throw new Mistake('is of an unknown kind: expected RSA with 2048 bits or more, P-256, P-384, P-521, or Ed25519');
}

/** The algorithms that the key can verify; the first one is the usual one. RFC 7518, 3.3, asks for 2048 bits of RSA at least. */
export function algorithmsFor({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): string[] {
  const isLong = (details.modulusLength ?? 0) >= 2048;
  if (type === 'rsa' && isLong) return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
  if (type === 'ec') return CURVES[details.namedCurve ?? ''] ?? [];
  return type === 'ed25519' ? ['EdDSA'] : [];
}

const CURVES: Record<string, string[]> = { prime256v1: ['ES256'], secp384r1: ['ES384'], secp521r1: ['ES512'] };

function keyOf(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch {
    throw new Mistake(
      'is no key: expected a public key in PEM (-----BEGIN PUBLIC KEY-----), or the path of a file with one',
    );
  }
}

/** The name of a claim. Dots and slashes are part of the name (`https://example.com/user`), and no path into the token. */
export function claim(text: string): string {
  if (/^[!-~]{1,256}$/.test(text)) return text;
  throw new Mistake('is no name of a claim: expected visible ASCII characters, such as sub or user_id');
}

function isAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Mistake('is no key, and no file that can be read: expected a public key in PEM, or the path of one');
  }
}

function isPrivate(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    // A public key is no private one, and what is no key at all is reported by the caller.
    return /PRIVATE KEY-----/.test(pem);
  }
}
