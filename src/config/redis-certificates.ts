import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseRedisUrl } from './redis-url.ts';
import { Mistake } from './values.ts';

/** The certificates for a Redis by TLS, in PEM. */
export interface RedisTls {
  /** Of the CA that has to have signed the certificate of Redis; without it the CAs that Node trusts count. */
  ca?: string | undefined;
  /** Of this client, with its chain, for a Redis that asks for one; and the key of the first certificate. */
  cert?: string | undefined;
  key?: string | undefined;
}

const BLOCK = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----.*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/gs;

/** Parses certificates in PEM, or the path of a file with them. @returns the PEM */
export function certificates(text: string): string {
  const pem = pemOf(text, 'certificates');
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0) {
    const found = /PRIVATE KEY-----/.test(pem) ? 'is a private key' : 'has no certificate';
    throw new Mistake(`${found}: expected certificates in PEM (-----BEGIN CERTIFICATE-----), or the path of a file`);
  }
  if (!blocks.every(isCertificate))
    throw new Mistake('has a certificate that cannot be read: expected PEM as it was issued');
  return pem;
}

/** Parses a private key in PEM, or the path of a file with one. @returns the PEM */
export function privateKey(text: string): string {
  const pem = pemOf(text, 'a private key');
  try {
    createPrivateKey(pem);
    return pem;
  } catch {
    const isEncrypted = /ENCRYPTED/.test(pem);
    const found = isEncrypted ? 'is a private key with a passphrase' : 'is no private key';
    throw new Mistake(`${found}: expected one without a passphrase in PEM, or the path of a file with one`);
  }
}

/** Mistakes that are seen only if all variables are known. @param tls by the name of its variable */
export function tlsMisfits(url: string | undefined, { ca, cert, key }: RedisTls): string[] {
  const given = Object.entries({ SISYPHUS_REDIS_CA: ca, SISYPHUS_REDIS_CERT: cert, SISYPHUS_REDIS_KEY: key })
    .filter(([, pem]) => pem !== undefined)
    .map(([name]) => name);
  if (given.length === 0) return [];
  const problems: string[] = [];
  if (url === undefined || !isTls(url)) {
    const found = url === undefined ? 'REDIS_URL is not set' : 'REDIS_URL is without TLS';
    problems.push(
      `${given.join(' and ')} cannot be used, because ${found}: expected rediss://… or rediss+sentinel://…`,
    );
  }
  if ((cert === undefined) !== (key === undefined)) {
    problems.push('SISYPHUS_REDIS_CERT and SISYPHUS_REDIS_KEY go together: expected both, or neither');
  } else if (cert !== undefined && key !== undefined && !belongTogether(cert, key)) {
    problems.push(
      'SISYPHUS_REDIS_KEY is not the key of the first certificate in SISYPHUS_REDIS_CERT: expected that one',
    );
  }
  return problems;
}

function isTls(url: string): boolean {
  const address = parseRedisUrl(url);
  return address.kind !== 'socket' && address.tls;
}

function belongTogether(cert: string, key: string): boolean {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== null;
  } catch {
    return false;
  }
}

/** The line ends of a PEM may be written as `\n`. */
function pemOf(text: string, what: string): string {
  if (text.trimStart().startsWith('-----BEGIN')) return text.replaceAll('\\n', '\n');
  try {
    return readFileSync(text, 'utf8');
  } catch {
    throw new Mistake(`is no file that can be read: expected ${what} in PEM, or the path of a file`);
  }
}
