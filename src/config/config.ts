import { KeyObject } from 'node:crypto';
import {
  algorithms,
  algorithmsFor,
  claim,
  cookieName,
  headerName,
  publicKey,
  ranges,
  serviceUrl,
} from './auth-values.ts';
import { collections } from './collections.ts';
import { suggestion } from './nearest.ts';
import { certificates, privateKey, type RedisTls, tlsMisfits } from './redis-certificates.ts';
import { redisUrl } from './redis-url.ts';
import { parseSecretList, readSecretFile } from './secret-list.ts';
import { withoutServiceLinks } from './service-links.ts';
import {
  bearer,
  duration,
  gatewayUrl,
  host,
  integer,
  keyPrefix,
  list,
  listOf,
  Mistake,
  namespace,
  oneOf,
  origins,
  patterns,
  perAddress,
  processes,
  rules,
  secret,
  size,
} from './values.ts';

/**
 * All settings of the gateway. Each key of `Config` has the name of its variable, its default, its parser and its meaning. The type
 * `Config`, `--help`, check-config and docs/reference/configuration.md follow from this table.
 */
// biome-ignore format: one variable in two lines
const TABLE = {
  port: row('PORT', '3001', integer(0, 65_535),
    'where it listens; `0` takes any free port'),
  host: row('HOST', '127.0.0.1', host,
    'the address it listens on; `0.0.0.0` is the default unless `SISYPHUS_AUTH=open`'),
  adminPort: row('SISYPHUS_ADMIN_PORT', undefined, integer(0, 65_535),
    'another port, where alone publishers and operators are answered; none: they are answered on `PORT`'),
  adminHost: row('SISYPHUS_ADMIN_HOST', '127.0.0.1', host,
    'the address of that port; other machines reach `0.0.0.0`'),
  redisUrl: row('REDIS_URL', undefined, redisUrl,
    'the Redis; without it a private one, or memory', { secret: 'address' }),
  redisCa: row('SISYPHUS_REDIS_CA', undefined, certificates,
    '`rediss://`: the CA that signed the certificate of Redis, in PEM or as the path of a file', { secret: 'pem' }),
  redisCert: row('SISYPHUS_REDIS_CERT', undefined, certificates,
    '`rediss://`: a certificate for a Redis that asks for one, in PEM or as the path of a file', { secret: 'pem' }),
  redisKey: row('SISYPHUS_REDIS_KEY', undefined, privateKey,
    '`rediss://`: the key of that certificate, in PEM or as the path of a file', { secret: 'pem' }),
  namespace: row('SISYPHUS_NAMESPACE', undefined, namespace,
    'a name for all keys and topics, where several share a Redis'),
  auth: row('SISYPHUS_AUTH', 'open', oneOf(['open', 'header', 'forward', 'jwt', 'token']),
    'how the gateway finds out who a client is: `open` trusts `?user=`; `header`, `forward`, `jwt` or `token`'),
  cookie: row('SISYPHUS_COOKIE', undefined, cookieName,
    'the cookie with the credential: for `forward` the one of the session, for `jwt` and `token` of the token'),
  rights: row('SISYPHUS_RIGHTS', 'redis', oneOf(['redis', 'credential', 'both']),
    'where the channels of a user come from: the list in Redis, the credential (`forward`, `jwt`), or both'),
  publicChannels: row('SISYPHUS_PUBLIC_CHANNELS', '', patterns,
    'channels that everybody may read by name: patterns such as `news:*`; never `user:*`', { mayBeEmpty: true }),
  protocols: row('SISYPHUS_PROTOCOLS', '', listOf(['rt', 'sock.it', 'sync']),
    'other protocols that are served beside streams: `rt`, `sock.it`, `sync`', { mayBeEmpty: true }),
  collections: row('SISYPHUS_COLLECTIONS', '', collections,
    'collections of records: JSON such as `{"drivers":{"key":"driver_name","public":true}}`, or the path of a file with it', { mayBeEmpty: true, secret: 'json' }),
  inboxUrl: row('SISYPHUS_INBOX_URL', undefined, serviceUrl,
    '`sock.it`: where the application takes what browsers send', { secret: 'address' }),
  inboxSecret: row('SISYPHUS_INBOX_SECRET', undefined, secret,
    '`sock.it`: the secret with which these requests are signed', { secret: true }),
  trustedProxies: row('SISYPHUS_TRUSTED_PROXIES', '', ranges,
    'addresses of proxies whose headers are believed: `10.0.0.0/8,fd00::/8`', { mayBeEmpty: true }),
  headerUser: row('SISYPHUS_HEADER_USER', 'X-Sisyphus-User', headerName,
    '`header`, `forward`: the header with the user'),
  headerSecret: row('SISYPHUS_HEADER_SECRET', undefined, secret,
    '`header`: a proxy that sends it in `X-Sisyphus-Secret` is believed', { secret: true }),
  forwardUrl: row('SISYPHUS_FORWARD_URL', undefined, serviceUrl,
    '`forward`: where the application says who a request is from', { secret: 'address' }),
  forwardTimeout: row('SISYPHUS_FORWARD_TIMEOUT', '1s', duration('10ms', '1400ms'),
    '`forward`: how long the application may take'),
  forwardCache: row('SISYPHUS_FORWARD_CACHE', '10s', duration('0s', '1h'),
    '`forward`: how long an answer is used again; `0s`: never'),
  jwtSecret: row('SISYPHUS_JWT_SECRET', undefined, secret,
    '`jwt`: the shared secret (HS256)', { secret: true }),
  jwtKey: row('SISYPHUS_JWT_KEY', undefined, publicKey,
    '`jwt`: the public key, in PEM or as the path of a file', { secret: 'pem' }),
  jwtJwksUrl: row('SISYPHUS_JWT_JWKS_URL', undefined, serviceUrl,
    '`jwt`: where the issuer publishes its keys', { secret: 'address' }),
  jwtAlgorithms: row('SISYPHUS_JWT_ALGORITHMS', undefined, algorithms,
    '`jwt`: how tokens may be signed; by default what fits the key'),
  jwtIssuer: row('SISYPHUS_JWT_ISSUER', undefined, list,
    '`jwt`: the expected `iss`; several are separated by commas'),
  jwtAudience: row('SISYPHUS_JWT_AUDIENCE', undefined, list,
    '`jwt`: the expected `aud`; several are separated by commas'),
  jwtUserClaim: row('SISYPHUS_JWT_USER_CLAIM', 'sub', claim,
    '`jwt`: the claim with the user'),
  publishSecret: row('SISYPHUS_PUBLISH_SECRET', undefined, parseSecretList,
    'the secret for publishing over HTTP, or several: `name:secret[:patterns]`, one a line; without it that is off (403)', { secret: true }),
  publishSecretFile: row('SISYPHUS_PUBLISH_SECRET_FILE', undefined, readSecretFile,
    'a file with these secrets instead, one a line; SIGHUP reads it again'),
  noopInterval: row('SISYPHUS_NOOP_INTERVAL', '15s', duration('10ms', '24h'),
    'silence after which a stream gets a `noop`'),
  backlogLength: row('SISYPHUS_BACKLOG_LENGTH', '100', integer(1, 1_000_000),
    'messages kept per channel'),
  backlogTtl: row('SISYPHUS_BACKLOG_TTL', '24h', duration('1ms', '3650d'),
    'how long they are kept'),
  backlogRules: row('SISYPHUS_BACKLOG_RULES', '', rules,
    'other lengths by pattern: `sticker:*=1,room:*=500`', { mayBeEmpty: true }),
  rawChannels: row('SISYPHUS_RAW_CHANNELS', '*:*', patterns,
    'plain channels that are recorded; empty: none', { mayBeEmpty: true }),
  keyPrefix: row('SISYPHUS_KEY_PREFIX', '', keyPrefix,
    'what a driver puts before names of lists and plain channels: `laravel_database_`'),
  redisGrace: row('SISYPHUS_REDIS_GRACE', '5s', duration('0s', '24h'),
    'how long Redis may be away before streams end with `error`'),
  maxStreams: row('SISYPHUS_MAX_STREAMS', '10000', integer(1, 10_000_000),
    'open streams'),
  maxStreamsPerUser: row('SISYPHUS_MAX_STREAMS_PER_USER', '20', integer(1, 10_000_000),
    'open streams of one user, at all gateways together'),
  maxStreamsPerAddress: row('SISYPHUS_MAX_STREAMS_PER_ADDRESS', '1000 public', perAddress,
    'open streams of one client address (IPv6: of one /64); `public`: loopback and private ones are not counted'),
  maxOpens: row('SISYPHUS_MAX_OPENS', '10000', integer(1, 10_000_000),
    'new streams a second of this gateway'),
  maxChannels: row('SISYPHUS_MAX_CHANNELS', '10000', integer(1, 10_000_000),
    'channels of one user'),
  maxFailures: row('SISYPHUS_MAX_FAILURES', '1000 public', perAddress,
    'bad credentials of one client address in a minute'),
  maxPublishes: row('SISYPHUS_MAX_PUBLISHES', '10000', integer(1, 10_000_000),
    'requests a second of one publish secret'),
  maxBuffer: row('SISYPHUS_MAX_BUFFER', '1MB', size('1KB', '1GB'),
    'unsent bytes per stream before it is closed as `slow`'),
  maxMessage: row('SISYPHUS_MAX_MESSAGE', '256KB', size('1B', '64MB'),
    'the largest message'),
  drain: row('SISYPHUS_DRAIN', '10s', duration('0s', '24h'),
    'how long a shutdown takes to send everybody elsewhere'),
  drainDelay: row('SISYPHUS_DRAIN_DELAY', '0s', duration('0s', '24h'),
    'how long a shutdown serves on before it drains, while `/readyz` says no: until balancers have noticed'),
  rebalance: row('SISYPHUS_REBALANCE', 'on', oneOf(['on', 'off']),
    'whether a gateway with many more streams than others sends some elsewhere; `off` behind a balancer that sends each client to the same gateway'),
  origins: row('SISYPHUS_ORIGINS', '', origins,
    'origins that may read across sites: `https://app.example.com,…`', { mayBeEmpty: true }),
  workers: row('SISYPHUS_WORKERS', '1', processes(256),
    'gateway processes sharing the port; `auto`: one for each CPU'),
  logLevel: row('SISYPHUS_LOG_LEVEL', 'info', oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`'),
  logFormat: row('SISYPHUS_LOG_FORMAT', 'auto', oneOf(['auto', 'json', 'text']),
    '`json`; `text` for people; `auto`: `text` on a terminal, else `json`'),
  url: row('SISYPHUS_URL', undefined, gatewayUrl,
    'for the command line: a gateway to talk to over HTTP', { secret: 'address' }),
  accessToken: row('SISYPHUS_ACCESS_TOKEN', undefined, bearer,
    'for `tail`: the credential to read with; `-` reads it from standard input', { secret: true }),
};

type Key = keyof typeof TABLE;
type Row<K extends Key = Key> = (typeof TABLE)[K];
type Values = { [K in Key]: ReturnType<Row<K>['parse']> | (Row<K>['fallback'] & undefined) };
/** Durations in milliseconds, sizes in bytes. */
export type Config = ReturnType<typeof toConfig>;
export type Name = Row['name'];

/** The rows of the table, for the command line and the documents. */
export const VARIABLES = (Object.entries(TABLE) as [Key, Row][]).map(([key, row]) => ({ key, ...row }));

/** All problems of the configuration, a sentence each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export type Texts = Record<string, string | undefined>;

/**
 * Reads the configuration. Flags take precedence over the environment, and the environment over defaults.
 *
 * @param flags by flag name without dashes, as in `VARIABLES`
 * @throws ConfigError with all problems at once
 */
export function loadConfig(flags: Texts, env: Texts): Config {
  const problems = unknownNames(flags, env);
  const values: Partial<Record<Key, unknown>> = {};
  const all = settings(flags, env);
  for (const { variable, text, from } of all.values()) {
    // A message names the setting as the user has set it: as a flag or as a variable.
    const said = from === 'flag' ? `--${variable.flag}` : variable.name;
    try {
      if (text === '' && from !== 'default' && !variable.mayBeEmpty) {
        throw new Mistake('is empty: expected a value, or that it is left out');
      }
      values[variable.key] = text === undefined ? undefined : variable.parse(text);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      problems.push(`${said}${variable.secret || text === '' ? '' : `=${JSON.stringify(text)}`} ${error.message}`);
    }
  }
  problems.push(...contradictions(all), ...keyMisfits(values), ...redisMisfits(all, values));
  if (problems.length > 0) throw new ConfigError(problems);
  return toConfig(values as Values);
}

/**
 * Reads the certificates for Redis anew, from the files that the configuration names.
 *
 * @returns `undefined` if it names no file: a certificate in the variable itself cannot change
 * @throws ConfigError with all problems at once
 */
export function loadCertificates(flags: Texts, env: Texts): RedisTls | undefined {
  const all = settings(flags, env);
  const problems: string[] = [];
  const read = ({ name, parse }: Row<'redisCa' | 'redisCert' | 'redisKey'>): string | undefined => {
    const { text } = all.get(name)!;
    try {
      return text === undefined ? undefined : parse(text);
    } catch (error) {
      if (error instanceof Mistake) problems.push(`${name} ${error.message}`);
      else throw error;
      return undefined;
    }
  };
  const rows = [TABLE.redisCa, TABLE.redisCert, TABLE.redisKey];
  if (!rows.some(({ name }) => all.get(name)!.text?.includes('-----BEGIN') === false)) return undefined;
  const [ca, cert, key] = rows.map(read);
  const found = { ca, cert, key };
  if (problems.length === 0) problems.push(...tlsMisfits(all.get('REDIS_URL')!.text, found));
  if (problems.length > 0) throw new ConfigError(problems);
  return found;
}

export interface Setting {
  variable: (typeof VARIABLES)[number];
  /** `undefined` if the variable is not set and has no default. */
  text: string | undefined;
  from: 'flag' | 'environment' | 'default';
}

/** The value of each variable and its source. Values are not checked. */
export function settings(flags: Texts, environment: Texts): Map<Name, Setting> {
  const env = withoutServiceLinks(environment);
  const all = new Map<Name, Setting>();
  for (const variable of VARIABLES) {
    const { name, flag, fallback } = variable;
    if (flags[flag] !== undefined) all.set(name, { variable, text: flags[flag], from: 'flag' });
    else if (env[name] !== undefined) all.set(name, { variable, text: env[name], from: 'environment' });
    else all.set(name, { variable, text: fallback, from: 'default' });
  }
  // With SISYPHUS_AUTH=open every client may name any user, so other machines can connect only if HOST is set explicitly.
  const host = all.get('HOST')!;
  if (host.from === 'default' && all.get('SISYPHUS_AUTH')!.text !== 'open') host.text = '0.0.0.0';
  // A secret in a flag wins over a file in the environment, and the other way round.
  const [secret, file] = [all.get('SISYPHUS_PUBLISH_SECRET')!, all.get('SISYPHUS_PUBLISH_SECRET_FILE')!];
  const loser = secret.from === 'flag' ? file : file.from === 'flag' ? secret : undefined;
  if (loser?.from === 'environment') Object.assign(loser, { text: undefined, from: 'default' });
  // If only one of the two is set, the default of the other follows it, because a message must fit into an empty buffer.
  const buffer = all.get('SISYPHUS_MAX_BUFFER')!;
  const message = all.get('SISYPHUS_MAX_MESSAGE')!;
  if (isLess(buffer.text, message.text)) {
    if (message.from === 'default') message.text = buffer.text;
    else if (buffer.from === 'default') buffer.text = message.text;
  }
  return all;
}

function toConfig({ backlogLength: length, backlogTtl: ttl, backlogRules: rules, ...values }: Values) {
  const { publishSecret, publishSecretFile: file } = values;
  const secrets = { publishSecret: publishSecret ?? file?.list, publishSecretFile: file?.path };
  // Everybody may read the channel of a public collection, by its name.
  const open = values.collections.filter(({ isPublic }) => isPublic).map(({ name }) => `collection:${name}`);
  const publicChannels = [...values.publicChannels, ...open];
  return { ...values, ...secrets, publicChannels, backlog: { length, ttl, rules } };
}

function contradictions(all: Map<Name, Setting>): string[] {
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

function keyMisfits({ auth, jwtKey, jwtAlgorithms }: Partial<Record<Key, unknown>>): string[] {
  if (auth !== 'jwt' || !(jwtKey instanceof KeyObject)) return [];
  const right = algorithmsFor(jwtKey);
  const misfit = ((jwtAlgorithms ?? []) as string[]).find((algorithm) => !right.includes(algorithm));
  return misfit === undefined
    ? []
    : [`SISYPHUS_JWT_ALGORITHMS holds ${misfit}, which the key cannot verify: expected ${right.join(' or ')}`];
}

function redisMisfits(all: Map<Name, Setting>, values: Partial<Record<Key, unknown>>): string[] {
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

/** Whether both are sizes, and the first is the smaller one. */
function isLess(buffer = '', message = ''): boolean {
  try {
    return TABLE.maxBuffer.parse(buffer) < TABLE.maxMessage.parse(message);
  } catch {
    // The error is a Mistake; `loadConfig` reports the invalid value itself.
    return false;
  }
}

function unknownNames(flags: Texts, env: Texts): string[] {
  const names = VARIABLES.map(({ name }) => name as string);
  const flagNames = VARIABLES.map(({ flag }) => flag);
  return [
    ...Object.keys(flags)
      .filter((flag) => !flagNames.includes(flag))
      .map((flag) => `--${flag} is unknown: ${suggestion(flag, flagNames, '--')}`),
    ...Object.keys(withoutServiceLinks(env))
      .filter((name) => /^SISYPHUS_/i.test(name) && !names.includes(name))
      .map((name) => `${name} is unknown: ${suggestion(name, names)}`),
  ];
}

interface Marks {
  /** Messages must not quote the value. `address`: it may be shown with its password masked; `pem` and `json`: it may be shown if it is a path. */
  secret?: true | 'address' | 'pem' | 'json';
  /** An empty text is a value, and means none. For all other variables an empty text is an error. */
  mayBeEmpty?: true;
}

function row<const N extends string, F extends string | undefined, T>(
  name: N,
  fallback: F,
  parse: (text: string) => T,
  meaning: string,
  { secret, mayBeEmpty }: Marks = {},
) {
  // `--<flag>` sets the same value as the variable, and takes precedence.
  const flag = name
    .replace(/^SISYPHUS_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
  return { name, flag, fallback, default: fallback || 'none', parse, meaning, secret, mayBeEmpty };
}
