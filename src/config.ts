import { z } from 'zod';
import {
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

/** Durations in milliseconds, sizes in bytes. A long file: a variable has a line in each of its tables, which are read side by side. */
export interface Config {
  port: number;
  host: string;
  redisUrl: string | undefined;
  namespace: string | undefined;
  auth: 'open';
  publishSecret: string | undefined;
  noopInterval: number;
  backlog: { length: number; ttl: number; rules: { pattern: string; length: number }[] };
  /** Empty: plain PUBLISHes are not recorded. */
  rawChannels: string[];
  /** Empty for none. */
  keyPrefix: string;
  redisGrace: number;
  maxStreams: number;
  maxStreamsPerUser: number;
  maxBuffer: number;
  maxMessage: number;
  drain: number;
  origins: string[];
  workers: number;
  logLevel: string;
  /** Where the command line publishes to and reads from, if not straight in Redis. */
  url: string | undefined;
}

export interface Variable {
  name: string;
  /** `--<flag>` says the same as the variable, and wins. */
  flag: string;
  /** As it would be written, or `none`. */
  default: string;
  meaning: string;
}

/** What the gateway can be told; the README's table and `--help` are made of it. */
export const VARIABLES = [
  variable('PORT', 'port', '3001', 'where it listens; `0` takes any free port'),
  variable(
    'HOST',
    'host',
    '127.0.0.1',
    'the address it listens on; `0.0.0.0` is the default unless `SISYPHUS_AUTH=open`',
  ),
  variable('REDIS_URL', 'redis-url', 'none', 'the Redis; without it a private one, or memory'),
  variable('SISYPHUS_NAMESPACE', 'namespace', 'none', 'a name for all keys and topics, where several share a Redis'),
  variable('SISYPHUS_AUTH', 'auth', 'open', 'who a client is: `open` trusts `?user=`'),
  variable('SISYPHUS_PUBLISH_SECRET', 'publish-secret', 'none', 'without it publishing over HTTP is off (403)'),
  variable('SISYPHUS_NOOP_INTERVAL', 'noop-interval', '15s', 'silence after which a stream gets a `noop`'),
  variable('SISYPHUS_BACKLOG_LENGTH', 'backlog-length', '100', 'messages kept per channel'),
  variable('SISYPHUS_BACKLOG_TTL', 'backlog-ttl', '24h', 'how long they are kept'),
  variable('SISYPHUS_BACKLOG_RULES', 'backlog-rules', 'none', 'other lengths by pattern: `sticker:*=1,room:*=500`'),
  variable('SISYPHUS_RAW_CHANNELS', 'raw-channels', '*:*', 'plain channels that are recorded; empty: none'),
  variable(
    'SISYPHUS_KEY_PREFIX',
    'key-prefix',
    'none',
    'what a driver puts before names of lists and plain channels: `laravel_database_`',
  ),
  variable('SISYPHUS_REDIS_GRACE', 'redis-grace', '5s', 'how long Redis may be away before streams end with `error`'),
  variable('SISYPHUS_MAX_STREAMS', 'max-streams', '10000', 'open streams'),
  variable('SISYPHUS_MAX_STREAMS_PER_USER', 'max-streams-per-user', '20', 'open streams of one user'),
  variable('SISYPHUS_MAX_BUFFER', 'max-buffer', '1MB', 'unsent bytes per stream before it is closed as `slow`'),
  variable('SISYPHUS_MAX_MESSAGE', 'max-message', '256KB', 'the largest message'),
  variable('SISYPHUS_DRAIN', 'drain', '10s', 'how long a shutdown takes to send everybody elsewhere'),
  variable('SISYPHUS_ORIGINS', 'origins', 'none', 'origins that may read across sites: `https://app.example.com,…`'),
  variable('SISYPHUS_WORKERS', 'workers', '1', 'gateway processes sharing the port'),
  variable('SISYPHUS_LOG_LEVEL', 'log-level', 'info', '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`'),
  variable('SISYPHUS_URL', 'url', 'none', 'for the command line: a gateway to talk to over HTTP'),
] as const satisfies readonly Variable[];

export type Name = (typeof VARIABLES)[number]['name'];

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** What the design has in store for SISYPHUS_AUTH, and this version has not. */
const LATER = new Set(['token', 'jwt', 'forward']);

const SCHEMA = z.object({
  PORT: read(integer(0, 65_535)),
  HOST: read(host),
  REDIS_URL: read(redisUrl).optional(),
  SISYPHUS_NAMESPACE: read(namespace).optional(),
  SISYPHUS_AUTH: read(auth),
  SISYPHUS_PUBLISH_SECRET: read(secret).optional(),
  SISYPHUS_NOOP_INTERVAL: read(duration('10ms', '24h')),
  SISYPHUS_BACKLOG_LENGTH: read(integer(1, 1_000_000)),
  SISYPHUS_BACKLOG_TTL: read(duration('1ms', '3650d')),
  SISYPHUS_BACKLOG_RULES: read(rules).default([]),
  SISYPHUS_RAW_CHANNELS: read(patterns),
  SISYPHUS_KEY_PREFIX: read(keyPrefix).default(''),
  SISYPHUS_REDIS_GRACE: read(duration('0s', '24h')),
  SISYPHUS_MAX_STREAMS: read(integer(1, 10_000_000)),
  SISYPHUS_MAX_STREAMS_PER_USER: read(integer(1, 10_000_000)),
  SISYPHUS_MAX_BUFFER: read(size('1KB', '1GB')),
  SISYPHUS_MAX_MESSAGE: read(size('1B', '64MB')),
  SISYPHUS_DRAIN: read(duration('0s', '24h')),
  SISYPHUS_ORIGINS: read(origins).default([]),
  SISYPHUS_WORKERS: read(integer(1, 256)),
  SISYPHUS_LOG_LEVEL: read(oneOf(LOG_LEVELS)),
  SISYPHUS_URL: read(gatewayUrl).optional(),
} satisfies Record<Name, z.ZodType>);

/** Each may be empty, which means none; for every other variable an empty value is a slip. */
const MAY_BE_EMPTY = new Set<Name>(['SISYPHUS_BACKLOG_RULES', 'SISYPHUS_RAW_CHANNELS', 'SISYPHUS_ORIGINS']);
/** What no message may quote. */
export const SECRETS: ReadonlySet<Name> = new Set<Name>(['REDIS_URL', 'SISYPHUS_PUBLISH_SECRET', 'SISYPHUS_URL']);

/** Everything that is wrong with the configuration, one sentence a mistake. */
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
 * Flags over environment over defaults.
 *
 * @param flags by flag name without dashes, as in `VARIABLES`
 * @throws ConfigError with all mistakes at once
 */
export function loadConfig(flags: Texts, env: Texts): Config {
  const problems = unknownNames(flags, env);
  const texts: Partial<Record<Name, string>> = {};
  for (const [name, { text }] of settings(flags, env)) {
    if (text === '' && !MAY_BE_EMPTY.has(name))
      problems.push(`${said(name, flags)} is empty: leave it out or name one`);
    else if (text !== undefined) texts[name] = text;
  }
  const result = SCHEMA.safeParse(texts);
  for (const { path, message } of result.error?.issues ?? []) {
    const name = path[0] as Name;
    // A value that was refused as empty is absent here: said once is enough.
    if (texts[name] === undefined) continue;
    const value = SECRETS.has(name) ? '' : `=${JSON.stringify(texts[name])}`;
    problems.push(`${said(name, flags)}${value} ${message}`);
  }
  problems.push(...contradictions(texts));
  if (problems.length > 0 || !result.success) throw new ConfigError(problems);
  return toConfig(result.data);
}

export interface Setting {
  /** `undefined` for none. */
  text: string | undefined;
  from: 'flag' | 'environment' | 'default';
}

/** What each variable is set to, and by what; nothing is checked. */
export function settings(flags: Texts, environment: Texts): Map<Name, Setting> {
  const env = withoutServiceLinks(environment);
  const all = new Map<Name, Setting>();
  for (const { name, flag, default: fallback } of VARIABLES) {
    if (flags[flag] !== undefined) all.set(name, { text: flags[flag], from: 'flag' });
    else if (env[name] !== undefined) all.set(name, { text: env[name], from: 'environment' });
    else all.set(name, { text: fallback === 'none' ? undefined : fallback, from: 'default' });
  }
  // Who trusts `?user=` has to say so before other machines are let in.
  const host = all.get('HOST')!;
  if (host.from === 'default' && all.get('SISYPHUS_AUTH')!.text !== 'open') host.text = '0.0.0.0';
  // Where only one of the two is set, the other's default follows: a message must fit into an empty buffer.
  const buffer = all.get('SISYPHUS_MAX_BUFFER')!;
  const message = all.get('SISYPHUS_MAX_MESSAGE')!;
  if (isLess(buffer.text, message.text)) {
    if (message.from === 'default') message.text = buffer.text;
    else if (buffer.from === 'default') buffer.text = message.text;
  }
  return all;
}

function toConfig(values: z.output<typeof SCHEMA>): Config {
  return {
    port: values.PORT,
    host: values.HOST,
    redisUrl: values.REDIS_URL,
    namespace: values.SISYPHUS_NAMESPACE,
    auth: values.SISYPHUS_AUTH,
    publishSecret: values.SISYPHUS_PUBLISH_SECRET,
    noopInterval: values.SISYPHUS_NOOP_INTERVAL,
    backlog: {
      length: values.SISYPHUS_BACKLOG_LENGTH,
      ttl: values.SISYPHUS_BACKLOG_TTL,
      rules: values.SISYPHUS_BACKLOG_RULES,
    },
    rawChannels: values.SISYPHUS_RAW_CHANNELS,
    keyPrefix: values.SISYPHUS_KEY_PREFIX,
    redisGrace: values.SISYPHUS_REDIS_GRACE,
    maxStreams: values.SISYPHUS_MAX_STREAMS,
    maxStreamsPerUser: values.SISYPHUS_MAX_STREAMS_PER_USER,
    maxBuffer: values.SISYPHUS_MAX_BUFFER,
    maxMessage: values.SISYPHUS_MAX_MESSAGE,
    drain: values.SISYPHUS_DRAIN,
    origins: values.SISYPHUS_ORIGINS,
    workers: values.SISYPHUS_WORKERS,
    logLevel: values.SISYPHUS_LOG_LEVEL,
    url: values.SISYPHUS_URL,
  };
}

function contradictions({ SISYPHUS_MAX_BUFFER: buffer, SISYPHUS_MAX_MESSAGE: message }: Partial<Record<Name, string>>) {
  if (!isLess(buffer, message)) return [];
  return [
    `SISYPHUS_MAX_BUFFER=${buffer} is less than SISYPHUS_MAX_MESSAGE=${message}: a stream could never send ` +
      `the largest message; SISYPHUS_MAX_BUFFER=${message} or more is right`,
  ];
}

function isLess(buffer: string | undefined, message: string | undefined): boolean {
  const { SISYPHUS_MAX_BUFFER, SISYPHUS_MAX_MESSAGE } = SCHEMA.shape;
  const [a, b] = [SISYPHUS_MAX_BUFFER.safeParse(buffer), SISYPHUS_MAX_MESSAGE.safeParse(message)];
  return a.success && b.success && a.data < b.data;
}

function unknownNames(flags: Texts, env: Texts): string[] {
  const names = VARIABLES.map(({ name }) => name as string);
  const flagNames = VARIABLES.map(({ flag }) => flag as string);
  return [
    ...Object.keys(flags)
      .filter((flag) => !flagNames.includes(flag))
      .map((flag) => `--${flag} is unknown: --${nearest(flag, flagNames)} may be meant`),
    ...Object.keys(withoutServiceLinks(env))
      .filter((name) => /^SISYPHUS_/i.test(name) && !names.includes(name))
      .map((name) => `${name} is unknown: ${nearest(name, names)} may be meant`),
  ];
}

/** How the user has said it: as a flag, or as a variable. */
function said(name: Name, flags: Texts): string {
  const { flag } = VARIABLES.find((candidate) => candidate.name === name)!;
  return flags[flag] === undefined ? name : `--${flag}`;
}

function auth(text: string): 'open' {
  if (text === 'open') return text;
  throw new Mistake(`${LATER.has(text) ? 'is not in this version' : 'is unknown'}: open is right`);
}

function read<T>(parse: (text: string) => T) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      context.addIssue({ code: 'custom', message: error.message, input: text });
      return z.NEVER;
    }
  });
}

function variable<const N extends string>(name: N, flag: string, fallback: string, meaning: string) {
  return { name, flag, default: fallback, meaning };
}
