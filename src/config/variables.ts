import { algorithms, claim, cookieName, headerName, publicKey, ranges, serviceUrl } from './auth-values.ts';
import { collections } from './collections.ts';
import { certificates, privateKey } from './redis-certificates.ts';
import { redisUrl } from './redis-url.ts';
import { parseSecretList, readSecretFile } from './secret-list.ts';
import {
  bearer,
  duration,
  gatewayUrl,
  host,
  integer,
  keyPrefix,
  list,
  listOf,
  namespace,
  oneOf,
  origins,
  patterns,
  perAddress,
  processes,
  rules,
  secret,
  size,
  strongSecret,
} from './values.ts';

/**
 * All settings of the gateway. Each key of `Config` has the name of its variable, its default, its parser and its meaning. The type
 * `Config`, `--help`, check-config and docs/reference/configuration.md follow from this table.
 */
// biome-ignore format: one variable in two lines
export const TABLE = {
  port: row('PORT', '3001', integer(0, 65_535),
    'where it listens; `0` takes any free port'),
  host: row('HOST', '127.0.0.1', host,
    'the address it listens on; `0.0.0.0` is the default unless `SISYPHUS_AUTH=open`'),
  adminPort: row('SISYPHUS_ADMIN_PORT', undefined, integer(0, 65_535),
    'another port, where alone publishers and operators are answered; none: they are answered on `PORT`'),
  adminHost: row('SISYPHUS_ADMIN_HOST', '127.0.0.1', host,
    'the address of that port; other machines reach `0.0.0.0`'),
  redisUrl: row('REDIS_URL', undefined, redisUrl,
    'the Redis; without it `serve` uses a private one, or memory', { secret: 'address' }),
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
  consoleSecret: row('SISYPHUS_CONSOLE_SECRET', undefined, strongSecret,
    'the secret of the console at `/console`: whoever has it reads and publishes as anybody; without it the console is off (404)', { secret: true }),
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
    'open streams of this gateway, over all of its workers'),
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
  logAddresses: row('SISYPHUS_LOG_ADDRESSES', 'on', oneOf(['on', 'off']),
    'whether lines about refused requests and slow readers have the `address` of the client'),
  url: row('SISYPHUS_URL', undefined, gatewayUrl,
    'for the command line: a gateway to talk to over HTTP', { secret: 'address' }),
  accessToken: row('SISYPHUS_ACCESS_TOKEN', undefined, bearer,
    'for `tail`: the credential to read with; `-` reads it from standard input', { secret: true }),
};

export type Key = keyof typeof TABLE;
export type Row<K extends Key = Key> = (typeof TABLE)[K];
export type Values = { [K in Key]: ReturnType<Row<K>['parse']> | (Row<K>['fallback'] & undefined) };
export type Name = Row['name'];

/** The rows of the table, for the command line and the documents. */
export const VARIABLES = (Object.entries(TABLE) as [Key, Row][]).map(([key, row]) => ({ key, ...row }));

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
