import type { Redis } from 'ioredis';
import type { Trouble } from '../../hub/trouble.ts';
import type { Keys } from './keys.ts';
import { COMMANDS } from './library.ts';
import type { PlainNames } from './plain-names.ts';
import {
  explain,
  isAccessRefusal,
  isCommandDenied,
  isReply,
  isStateRefusal,
  isUnknownCommand,
  UnfitError,
} from './redis-error.ts';
import { distinct } from './standing.ts';
import { READING, trialsOf } from './trials.ts';

interface Trial {
  /** With its subcommand, if it has one, as in `FUNCTION LOAD`. */
  command: string;
  args: string[];
  stops: Trouble['stops'];
  /** The key or channel that the command uses, as a pattern of an ACL. */
  pattern?: string;
}

interface Denied extends Trial {
  error: Error;
}

export interface ProbeOptions {
  /** The user as which the gateway connects to Redis. */
  user: string;
  keys: Keys;
  names: PlainNames;
}

export interface Probed {
  /** Problems that an operator has to fix: the kind of server, or its ACL. */
  lasting: Trouble[];
  /** Why Redis takes no writes at the moment. */
  state: Trouble[];
}

/** Why no gateway can use this kind of server; `undefined` if it can be used. */
async function problemOfServer(redis: Redis): Promise<string | undefined> {
  const right = 'expected Redis 7 or later, or Valkey 8';
  let hello: unknown[];
  try {
    hello = (await redis.call('HELLO')) as unknown[];
  } catch (error) {
    if (!isReply(error)) throw error;
    return `Redis does not speak RESP3 (${error.message.split(',')[0]}): ${right}`;
  }
  const value = (name: string): string => String(hello[hello.indexOf(name) + 1] ?? '');
  const [server, version, mode] = [value('server'), value('version'), value('mode')];
  if (mode === 'cluster') {
    return 'this Redis is a node of a Redis Cluster: expected a single Redis, because the lists of users and the keys of the gateway are in different slots';
  }
  if (mode === 'sentinel') return 'this is a Sentinel: expected redis+sentinel://host:port/service in REDIS_URL';
  if (value('proto') !== '3') return `Redis does not speak RESP3: ${right}`;
  const least = server === 'valkey' ? 8 : 7;
  if (Number.parseInt(version, 10) < least)
    return `this is ${server === 'valkey' ? 'Valkey' : 'Redis'} ${version}: ${right}`;
  return undefined;
}

/** @throws UnfitError if the server is of a kind that no gateway can use */
export async function requireFit(redis: Redis): Promise<void> {
  const problem = await problemOfServer(redis);
  if (problem) throw new UnfitError(problem);
}

/**
 * Tries everything that a gateway needs of Redis, as the gateway's own user, and changes nothing: commands are queued in a
 * transaction, so that Redis replies whether each is allowed, and the transaction is discarded. Needs a connection of its own.
 */
export async function probe(redis: Redis, { user, keys, names }: ProbeOptions): Promise<Probed> {
  const problem = await problemOfServer(redis);
  if (problem) return { lasting: [{ stops: 'readers', reason: problem }], state: [] };
  const state: Trouble[] = [];
  const troubles: Trouble[] = [];
  const denied: Denied[] = [];
  for (const one of [...(await tryQueued(redis, keys, names)), ...(await trySubscribing(redis, keys, names))]) {
    if (isAccessRefusal(one.error)) denied.push({ ...one, stops: stopsOf(one) });
    else if (isStateRefusal(one.error)) state.push({ stops: 'publishing', ...explain(one.error) });
    else if (isUnknownCommand(one.error)) troubles.push({ stops: one.stops, ...explain(one.error) });
  }
  for (const stops of ['readers', 'publishing'] as const) {
    const some = denied.filter((one) => one.stops === stops);
    for (const denial of denials(some, user)) troubles.push({ stops, ...denial });
  }
  return { lasting: distinct(troubles), state: distinct(state) };
}

/** Without SUBSCRIBE nothing is heard at all. If only some channels are denied, all others go on. */
function stopsOf({ command, error, stops }: Denied): Trouble['stops'] {
  return command === 'SUBSCRIBE' && isCommandDenied(error) ? 'readers' : stops;
}

function queuedTrials(keys: Keys, { prefix }: PlainNames): Trial[] {
  const trials = trialsOf(keys);
  const [list, lists] = [`${prefix}user:probe:channels`, `${prefix}user:*:channels`];
  const [own, topics] = [`${keys.declared}*`, `${keys.topicPrefix}*`];
  const used = [...new Set([...COMMANDS, 'XRANGE', 'XREVRANGE'])].map((command): Trial => {
    const stops = READING.has(command) ? 'readers' : 'publishing';
    return { command, args: trials[command] ?? [], stops, pattern: command === 'PUBLISH' ? topics : own };
  });
  return [
    { command: 'FCALL_RO', args: ['sisyphus_version', '1', keys.declared], stops: 'readers', pattern: own },
    { command: 'FCALL', args: ['sisyphus_mark', '1', keys.declared, '0'], stops: 'publishing', pattern: own },
    { command: 'FUNCTION LOAD', args: ['#!lua name=sisyphus\n'], stops: 'publishing' },
    ...used,
    { command: 'TYPE', args: [list], stops: 'readers', pattern: lists },
    { command: 'SADD', args: [list, ''], stops: 'publishing', pattern: lists },
  ];
}

async function tryQueued(redis: Redis, keys: Keys, names: PlainNames): Promise<Denied[]> {
  const trials = queuedTrials(keys, names);
  const about = await tryTransactions(redis);
  // If transactions are denied, the commands that follow would be carried out, or the transaction would never end.
  if (about.some(({ command }) => command !== 'PING')) return about;
  const answers = trials.map(({ command, args }) => send(redis, command, args));
  const settled = await Promise.allSettled([...answers, redis.call('DISCARD')]);
  return [...about, ...trials.flatMap((trial, i) => refusalOf(trial, settled[i]!))];
}

/** Begins a transaction, if transactions are allowed. Without one, EXEC and DISCARD do nothing, and are answered with an error. */
async function tryTransactions(redis: Redis): Promise<Denied[]> {
  const denied: Denied[] = [];
  for (const command of ['PING', 'EXEC', 'DISCARD', 'MULTI']) {
    const [answer] = await Promise.allSettled([redis.call(command)]);
    const refusals = refusalOf({ command, args: [], stops: 'publishing' }, answer);
    denied.push(...refusals.filter(({ error }) => isAccessRefusal(error) || isUnknownCommand(error)));
    if (command === 'DISCARD' && denied.some((one) => one.command !== 'PING')) break;
  }
  return denied;
}

/** Sends a command with its subcommand. */
function send(redis: Redis, command: string, args: string[]): Promise<unknown> {
  const [name = '', ...words] = command.split(' ');
  return redis.call(name, ...words, ...args);
}

async function trySubscribing(redis: Redis, keys: Keys, names: PlainNames): Promise<Denied[]> {
  const topics = `${keys.topicPrefix}*`;
  const about = (command: string, name: string, pattern = name): Trial => {
    return { command, args: [name], stops: 'publishing', pattern };
  };
  const trials = [
    about('SUBSCRIBE', keys.topic('probe'), topics),
    about('SUBSCRIBE', `${names.prefix}user:probe`, `${names.prefix}user:*`),
    ...[topics, ...names.patterns].map((pattern) => about('PSUBSCRIBE', pattern)),
    about('UNSUBSCRIBE', keys.topic('probe'), topics),
    about('PUNSUBSCRIBE', topics),
  ];
  const ways: Record<string, (name: string) => Promise<unknown>> = {
    SUBSCRIBE: (name) => redis.subscribe(name),
    PSUBSCRIBE: (name) => redis.psubscribe(name),
    UNSUBSCRIBE: (name) => redis.unsubscribe(name),
    PUNSUBSCRIBE: (name) => redis.punsubscribe(name),
  };
  const settled = await Promise.allSettled(trials.map(({ command, args: [name = ''] }) => ways[command]!(name)));
  return trials.flatMap((trial, i) => refusalOf(trial, settled[i]!));
}

/** @throws the error, if Redis has not answered */
function refusalOf(trial: Trial, answer: PromiseSettledResult<unknown>): Denied[] {
  if (answer.status === 'fulfilled') return [];
  if (!isReply(answer.reason)) throw answer.reason;
  return [{ ...trial, error: answer.reason }];
}

/** Describes what an ACL denies, in one sentence for each kind: commands, keys, channels. */
function denials(denied: Denied[], user: string): Pick<Trouble, 'reason' | 'mend'>[] {
  const commands = denied.filter(({ error }) => isCommandDenied(error)).map(({ command }) => command);
  const rest = denied.filter(({ command }) => !commands.includes(command));
  const isChannel = ({ command }: Denied): boolean => /^P?(UN)?SUBSCRIBE$|^PUBLISH$/.test(command);
  const patternsOf = (some: Denied[]): string[] => [...new Set(some.map(({ pattern }) => pattern ?? '*'))];
  const keys = patternsOf(rest.filter((one) => !isChannel(one)));
  const channels = patternsOf(rest.filter(isChannel));
  const say = (what: string, names: string[], sign: string): Pick<Trouble, 'reason' | 'mend'>[] => {
    if (names.length === 0) return [];
    const rules = names.map((name) => sign + (sign === '+' ? name.toLowerCase().replace(' ', '|') : name));
    return [
      {
        reason: `Redis refuses ${what}${names.join(', ')} to user ${user}: expected ${rules.join(' ')} in its ACL`,
        mend: `redis-cli ACL SETUSER ${user} ${rules.map((rule) => `'${rule}'`).join(' ')}`,
      },
    ];
  };
  return [
    ...say('', [...new Set(commands)].sort(), '+'),
    ...say('keys ', keys, '~'),
    ...say('channels ', channels, '&'),
  ];
}
