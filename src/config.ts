import {
  auth,
  duration,
  gatewayUrl,
  host,
  integer,
  keyPrefix,
  Mistake,
  namespace,
  oneOf,
  origins,
  patterns,
  rules,
  secret,
  size,
} from './config-values.ts';
import { nearest } from './nearest.ts';
import { redisUrl } from './redis-url.ts';
import { withoutServiceLinks } from './service-links.ts';

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
  redisUrl: row('REDIS_URL', undefined, redisUrl,
    'the Redis; without it a private one, or memory', { secret: true }),
  namespace: row('SISYPHUS_NAMESPACE', undefined, namespace,
    'a name for all keys and topics, where several share a Redis'),
  auth: row('SISYPHUS_AUTH', 'open', auth,
    'who a client is: `open` trusts `?user=`'),
  publishSecret: row('SISYPHUS_PUBLISH_SECRET', undefined, secret,
    'without it publishing over HTTP is off (403)', { secret: true }),
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
    'open streams of one user'),
  maxBuffer: row('SISYPHUS_MAX_BUFFER', '1MB', size('1KB', '1GB'),
    'unsent bytes per stream before it is closed as `slow`'),
  maxMessage: row('SISYPHUS_MAX_MESSAGE', '256KB', size('1B', '64MB'),
    'the largest message'),
  drain: row('SISYPHUS_DRAIN', '10s', duration('0s', '24h'),
    'how long a shutdown takes to send everybody elsewhere'),
  origins: row('SISYPHUS_ORIGINS', '', origins,
    'origins that may read across sites: `https://app.example.com,…`', { mayBeEmpty: true }),
  workers: row('SISYPHUS_WORKERS', '1', integer(1, 256),
    'gateway processes sharing the port'),
  logLevel: row('SISYPHUS_LOG_LEVEL', 'info', oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`'),
  url: row('SISYPHUS_URL', undefined, gatewayUrl,
    'for the command line: a gateway to talk to over HTTP', { secret: true }),
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
        throw new Mistake('is empty: leave it out or name one');
      }
      values[variable.key] = text === undefined ? undefined : variable.parse(text);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      problems.push(`${said}${variable.secret || text === '' ? '' : `=${JSON.stringify(text)}`} ${error.message}`);
    }
  }
  problems.push(...contradictions(all));
  if (problems.length > 0) throw new ConfigError(problems);
  return toConfig(values as Values);
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
  return { ...values, backlog: { length, ttl, rules } };
}

function contradictions(all: Map<Name, Setting>): string[] {
  const [buffer, message] = [all.get('SISYPHUS_MAX_BUFFER')!.text, all.get('SISYPHUS_MAX_MESSAGE')!.text];
  if (!isLess(buffer, message)) return [];
  return [
    `SISYPHUS_MAX_BUFFER=${buffer} is less than SISYPHUS_MAX_MESSAGE=${message}: a stream could never send ` +
      `the largest message; SISYPHUS_MAX_BUFFER=${message} or more is right`,
  ];
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
      .map((flag) => `--${flag} is unknown: --${nearest(flag, flagNames)} may be meant`),
    ...Object.keys(withoutServiceLinks(env))
      .filter((name) => /^SISYPHUS_/i.test(name) && !names.includes(name))
      .map((name) => `${name} is unknown: ${nearest(name, names)} may be meant`),
  ];
}

interface Marks {
  /** Messages must not quote the value. */
  secret?: true;
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
