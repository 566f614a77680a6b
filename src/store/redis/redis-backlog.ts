import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type {
  Backlog,
  Counter,
  Idempotency,
  ListRequest,
  Publication,
  Published,
  Reading,
  ReadRequest,
  Retention,
  Rights,
} from '../../backlog/backlog.ts';
import type { Logger } from '../../logger.ts';
import { isChannel } from '../../message/names.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import { parseChanges } from '../../message/rights-change.ts';
import { askTwice } from './ask-twice.ts';
import { type Argument, callFunction, ReadableFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { ReadingQueue } from './reading-queue.ts';
import { isStateRefusal } from './redis-error.ts';
import { RedisReading } from './redis-reading.ts';
import { RightsQueue } from './rights-queue.ts';
import { Standing } from './standing.ts';

/** How long an `Idempotency-Key` is remembered (ms). */
const REMEMBERED = 300_000;
/** How long the gateway's own key is remembered (ms): longer than it takes to ask again. */
const REMEMBERED_FOR_RETRY = 30_000;

/** Channels whose counters are read in one call: a quarter of a millisecond of Redis's time. */
const COUNTERS = 500;

/** How many users are remembered whose list has a problem that was logged. */
const MOST_PROBLEMS = 10_000;

export interface RedisBacklogOptions {
  commands: Redis;
  /** The connection for lists and missed messages: these calls must not keep records and leases waiting. */
  replays: Redis;
  keys: Keys;
  /** How long a message is replayed (ms). */
  ttl: () => number;
  retention?: (channel: string) => Retention;
  standing?: Standing;
  logger?: Logger;
  /** Called with a user who has no channels except the user's own. */
  onNoList?: (user: string) => void;
}

/** Backlogs and rights in Redis, through the functions of the library. */
export class RedisBacklog implements Backlog {
  readonly #options: RedisBacklogOptions;
  readonly #standing: Standing;
  readonly #rights: ReadableFunction;
  readonly #problems = new Map<string, string>();
  readonly #queue = new ReadingQueue();
  readonly #lists = new RightsQueue({
    run: (users: ListRequest[]) => this.#readRights(users),
    sizeOf: (rights) => rights?.channels.size,
  });

  constructor(options: RedisBacklogOptions) {
    this.#options = options;
    this.#standing = options.standing ?? new Standing();
    this.#rights = new ReadableFunction(options.replays, options.keys, 'sisyphus_rights');
  }

  async publish(publications: Publication[], idempotency?: Idempotency, trace?: string): Promise<Published[]> {
    const args = onceArguments(idempotency);
    for (const { channel, data, event } of publications) args.push(channel, data, event ?? '');
    if (trace !== undefined) args.push(trace);
    const answer = (await this.#write('sisyphus_publish_batch', args)) as string[];
    return publications.map(({ channel }, i) => published(channel, answer.slice(2 * i, 2 * i + 2)));
  }

  async grant(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#change('grant', user, channel, data, idempotency);
  }

  async revoke(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#change('revoke', user, channel, data, idempotency);
  }

  async position(): Promise<Position> {
    return parsePosition(String(await this.#write('sisyphus_position', []))) ?? BEGINNING;
  }

  async disconnect(user: string): Promise<Position> {
    return parsePosition(String(await this.#write('sisyphus_disconnect', [user]))) ?? BEGINNING;
  }

  async rights(users: ListRequest[]): Promise<(Rights | undefined)[]> {
    return this.#lists.ask(users);
  }

  open(requests: ReadRequest[], signal?: AbortSignal, isUrgent = false): Promise<Reading> {
    const { replays, keys, ttl, retention } = this.#options;
    const isConflated = (channel: string): boolean => retention?.(channel).isConflated === true;
    const options = { redis: replays, keys, queue: this.#queue, ttl: ttl(), isConflated, signal, isUrgent };
    return RedisReading.begin(options, requests);
  }

  async counters(channels: readonly string[]): Promise<Counter[]> {
    const found: Counter[] = [];
    for (let at = 0; at < channels.length; at += COUNTERS) {
      found.push(...(await this.#readCounters(channels.slice(at, at + COUNTERS))));
    }
    return found;
  }

  async #readCounters(channels: readonly string[]): Promise<Counter[]> {
    const { replays, keys } = this.#options;
    const names = channels.flatMap((channel) => keys.counters(channel));
    const texts = await askTwice(replays, () => replays.mget(names));
    return channels.map((_, i) => ({
      revision: parsePosition(texts[2 * i] ?? '') ?? 0,
      last: parsePosition(texts[2 * i + 1] ?? '') ?? BEGINNING,
    }));
  }

  async #change(
    verb: 'grant' | 'revoke',
    user: string,
    channel: string,
    data: Buffer | undefined,
    idempotency: Idempotency | undefined,
  ): Promise<Published> {
    const args = [...onceArguments(idempotency), verb, user, channel, ...(data ? [data] : [])];
    return published(`user:${user}`, (await this.#write('sisyphus_change', args)) as string[]);
  }

  #write(name: string, args: Argument[]): Promise<unknown> {
    const { commands, keys } = this.#options;
    return askTwice(commands, async () => {
      try {
        const answer = await callFunction(commands, keys, name, args);
        this.#standing.worked('publishing');
        this.#standing.wrote('commands');
        return answer;
      } catch (error) {
        // Only an error about the state of Redis counts here. Any other one may be caused by this message, or by its channel.
        if (isStateRefusal(error)) this.#standing.failed('publishing', error);
        throw error;
      }
    });
  }

  async #readRights(users: ListRequest[]): Promise<(Rights | undefined)[]> {
    const pairs = users.flatMap(({ user, known }) => [user, known === undefined ? '-' : String(known)]);
    const { answer } = await askTwice(this.#options.replays, () => this.#rights.call(['look', ...pairs], pairs));
    return (answer as (string[] | string | null)[]).map((fields, i) => {
      const { user } = users[i]!;
      const rights = Array.isArray(fields) ? rightsOf(fields) : undefined;
      this.#noteProblem(user, rights ? rights.problem : (fields as string | null));
      if (rights?.channels.size === 0 && rights.problem === undefined) this.#options.onNoList?.(user);
      return rights;
    });
  }

  /** Logs the problem with a user's list, once until there is another one. */
  #noteProblem(user: string, problem: string | null | undefined): void {
    if (!problem) {
      this.#problems.delete(user);
      return;
    }
    if (this.#problems.get(user) === problem) return;
    if (this.#problems.size >= MOST_PROBLEMS) this.#problems.clear();
    this.#problems.set(user, problem);
    this.#options.logger?.warn({ event: 'list_unreadable', user, reason: problem });
  }
}

/** The client's key, or else one of the gateway's own, so that the call can be repeated if its answer is lost. */
function onceArguments(idempotency: Idempotency | undefined): Argument[] {
  if (!idempotency) return [`retry:${randomUUID()}`, '', REMEMBERED_FOR_RETRY];
  return [`request:${idempotency.key}`, idempotency.fingerprint, REMEMBERED];
}

function published(channel: string, [id = '', revision = '']: string[]): Published {
  return { channel, id: parsePosition(id) ?? BEGINNING, revision: Number(revision) };
}

/** Rights as `sisyphus_rights` answers them. */
export function rightsOf([
  version = '',
  problem = '',
  names = '',
  ids = '',
  ,
  changes = '',
  state = '',
]: string[]): Rights {
  const channels = new Map<string, Position>();
  const granted = ids.split(' ');
  for (const [i, name] of names.split(' ').entries()) {
    if (isChannel(name)) channels.set(name, parsePosition(granted[i] ?? '') ?? BEGINNING);
  }
  return {
    version: parsePosition(version) ?? BEGINNING,
    channels,
    changes: (changes && parseChanges(changes)) || [],
    unsettled: state === 'unsettled',
    problem: problem || undefined,
  };
}
