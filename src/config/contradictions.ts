import { KeyObject } from 'node:crypto';
import { algorithmsFor } from './auth-values.ts';
import { tlsMisfits } from './redis-certificates.ts';
import type { SecretFile, SecretList } from './secret-list.ts';
import { isLess, type Setting } from './settings.ts';
import { list } from './values.ts';
import type { Key, Name, Values } from './variables.ts';

/** What in the configuration does not go together, a sentence each; values are only looked at as texts. */
export function contradictions(all: Map<Name, Setting>): string[] {
  const isSet = (name: Name): boolean => all.get(name)!.text !== undefined;
  const twice = isSet('SISYPHUS_PUBLISH_SECRET') && isSet('SISYPHUS_PUBLISH_SECRET_FILE');
  return [
    ...tooLittleRoom(all),
    ...adminMisfits(all),
    ...missingForAuth((name) => all.get(name)!.text),
    ...missingForInbox((name) => all.get(name)!.text),
    ...(twice ? ['SISYPHUS_PUBLISH_SECRET and SISYPHUS_PUBLISH_SECRET_FILE are set: expected one of them'] : []),
  ];
}

function tooLittleRoom(all: Map<Name, Setting>): string[] {
  const [buffer, message] = [all.get('SISYPHUS_MAX_BUFFER')!.text, all.get('SISYPHUS_MAX_MESSAGE')!.text];
  if (!isLess(buffer, message)) return [];
  return [
    `SISYPHUS_MAX_BUFFER=${buffer} is less than SISYPHUS_MAX_MESSAGE=${message}: expected ` +
      `SISYPHUS_MAX_BUFFER=${message} or more, because a stream could never send the largest message`,
  ];
}

function adminMisfits(all: Map<Name, Setting>): string[] {
  const { text } = all.get('SISYPHUS_ADMIN_PORT')!;
  const host = all.get('SISYPHUS_ADMIN_HOST')!;
  if (text === undefined && host.text !== host.variable.fallback) {
    return [
      'SISYPHUS_ADMIN_HOST needs SISYPHUS_ADMIN_PORT: expected both, or none, because nothing would listen there',
    ];
  }
  if (text === undefined || text === '0' || text !== all.get('PORT')!.text) return [];
  return [`SISYPHUS_ADMIN_PORT=${text} is PORT: expected another port, because streams are served on that one`];
}

/** What the mode of SISYPHUS_AUTH needs, and does not have. @param textOf the text of a variable, if it has one */
function missingForAuth(textOf: (name: Name) => string | undefined): string[] {
  const auth = textOf('SISYPHUS_AUTH');
  const areSet = (...names: Name[]): Name[] =>
    names.filter((name) => textOf(name) !== undefined && textOf(name) !== '');
  if (auth === 'header' && areSet('SISYPHUS_TRUSTED_PROXIES', 'SISYPHUS_HEADER_SECRET').length === 0) {
    return [
      'SISYPHUS_AUTH=header needs SISYPHUS_TRUSTED_PROXIES or SISYPHUS_HEADER_SECRET: no proxy would be believed',
    ];
  }
  if (auth === 'forward' && areSet('SISYPHUS_FORWARD_URL').length === 0) {
    return [
      'SISYPHUS_AUTH=forward needs SISYPHUS_FORWARD_URL: expected where the application says who a request is from',
    ];
  }
  const keys = areSet('SISYPHUS_JWT_SECRET', 'SISYPHUS_JWT_KEY', 'SISYPHUS_JWT_JWKS_URL');
  if (auth === 'jwt' && keys.length !== 1) {
    const found = keys.length === 0 ? 'none is set' : `${keys.join(' and ')} are set`;
    return [`SISYPHUS_AUTH=jwt needs one of SISYPHUS_JWT_SECRET, SISYPHUS_JWT_KEY and SISYPHUS_JWT_JWKS_URL: ${found}`];
  }
  if (auth === 'jwt') return misfits(keys[0]!, textOf('SISYPHUS_JWT_ALGORITHMS') ?? '');
  const rights = textOf('SISYPHUS_RIGHTS');
  if ((rights === 'credential' || rights === 'both') && auth !== 'forward' && auth !== 'jwt') {
    return [`SISYPHUS_RIGHTS=${rights} needs SISYPHUS_AUTH=forward or jwt: no other credential has channels`];
  }
  return [];
}

function missingForInbox(textOf: (name: Name) => string | undefined): string[] {
  const isOn = list(textOf('SISYPHUS_PROTOCOLS') ?? '').includes('sock.it');
  if (isOn || textOf('SISYPHUS_INBOX_URL') === undefined) return [];
  return ['SISYPHUS_INBOX_URL needs SISYPHUS_PROTOCOLS=sock.it: expected both, or none, because no browser could send'];
}

/** The secret of an HMAC is no public key: whoever knows the public key could sign with it (RFC 8725, 2.1). */
function misfits(key: Name, algorithms: string): string[] {
  // `keyMisfits` knows which algorithms the key can verify.
  if (key === 'SISYPHUS_JWT_KEY') return [];
  const isSecret = key === 'SISYPHUS_JWT_SECRET';
  const misfit = list(algorithms).find((algorithm) => algorithm.startsWith('HS') !== isSecret);
  if (misfit === undefined) return [];
  const right = isSecret ? 'HS256, HS384 or HS512' : 'RS…, PS…, ES… or EdDSA';
  return [`SISYPHUS_JWT_ALGORITHMS holds ${misfit}, which does not go with ${key}: expected ${right}`];
}

/** Algorithms that the key cannot verify. */
export function keyMisfits({ auth, jwtKey, jwtAlgorithms }: Partial<Record<Key, unknown>>): string[] {
  if (auth !== 'jwt' || !(jwtKey instanceof KeyObject)) return [];
  const right = algorithmsFor(jwtKey);
  const misfit = ((jwtAlgorithms ?? []) as string[]).find((algorithm) => !right.includes(algorithm));
  return misfit === undefined
    ? []
    : [`SISYPHUS_JWT_ALGORITHMS holds ${misfit}, which the key cannot verify: expected ${right.join(' or ')}`];
}

/** Certificates that do not go together, or with the address of Redis. */
export function redisMisfits(all: Map<Name, Setting>, values: Partial<Record<Key, unknown>>): string[] {
  // If one of these values could not be read, that was reported already.
  const isWrong = (name: Name, key: Key): boolean => all.get(name)!.text !== undefined && values[key] === undefined;
  if (
    isWrong('REDIS_URL', 'redisUrl') ||
    isWrong('SISYPHUS_REDIS_CERT', 'redisCert') ||
    isWrong('SISYPHUS_REDIS_KEY', 'redisKey')
  )
    return [];
  const { redisUrl: url, redisCa: ca, redisCert: cert, redisKey: key } = values as Partial<Values>;
  return tlsMisfits(url, { ca, cert, key });
}

/** Who may publish need not be allowed to read everything. */
export function consoleMisfits({
  consoleSecret,
  publishSecret,
  publishSecretFile,
}: Partial<Record<Key, unknown>>): string[] {
  const list = (publishSecret ?? (publishSecretFile as SecretFile | undefined)?.list) as SecretList | undefined;
  const isShared = list?.secrets.some(({ text }) => text === consoleSecret);
  return isShared ? ['SISYPHUS_CONSOLE_SECRET is a publish secret: expected one of its own'] : [];
}
