import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type {
  Backlog,
  Idempotency,
  Publication,
  Published,
  Reading,
  ReadRequest,
  Retention,
  Rights,
  Slice,
} from '../../backlog/backlog.ts';
import { readSlices } from '../../backlog/pages.ts';
import type { PublishedAt } from '../../message/message.ts';
import { isChannel } from '../../message/names.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import { askTwice } from './ask-twice.ts';
import { batched } from './batch.ts';
import { type Argument, callFunction } from './functions.ts';
import { ReadingQueue } from './reading-queue.ts';
import { toSisyphusError } from './redis-error.ts';
import { RedisReading } from './redis-reading.ts';

/** How long an `Idempotency-Key` is remembered. */
const REMEMBERED = 300_000;
/** How long the gateway's own key is: longer than it takes to ask again. */
const REMEMBERED_FOR_RETRY = 30_000;

/**
 * How often (ms) and how many times is looked whether a plain PUBLISH that may have announced a change is recorded. It takes
 * a few milliseconds as a rule, and 1.2 s where the recorder has just died.
 */
const LOOK = 40;
const LOOKS = 40;

interface KnownRights {
  user: string;
  known?: Position | undefined;
}

/** Backlogs and rights in Redis, through the functions of the library. */
export class RedisBacklog implements Backlog {
  readonly #redis: Redis;
  readonly #retention: Pick<Retention, 'ttl'>;
  /** For what readers have missed: what is asked for on it must not keep anything else waiting. */
  readonly #replays: Redis;
  readonly #queue = new ReadingQueue();
  readonly #look = batched(200, (users: KnownRights[]) => this.#readRights('look', users));
  readonly #settle = batched(200, (users: KnownRights[]) => this.#readRights('settle', users));

  constructor(redis: Redis, retention: Pick<Retention, 'ttl'>, replays = redis) {
    this.#redis = redis;
    this.#replays = replays;
    this.#retention = retention;
  }

  async publish(publications: Publication[], idempotency?: Idempotency): Promise<Published[]> {
    const args = onceArguments(idempotency);
    for (const { channel, data, event } of publications) args.push(channel, data, event ?? '');
    const answer = (await this.#twice(() => this.#call('sisyphus_publish_batch', args))) as string[];
    return publications.map(({ channel }, i) => published(channel, answer.slice(2 * i, 2 * i + 2)));
  }

  async grant(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#change('grant', user, channel, data, idempotency);
  }

  async revoke(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#change('revoke', user, channel, data, idempotency);
  }

  async rights(users: KnownRights[]): Promise<(Rights | undefined)[]> {
    const answers = await this.#look(users);
    for (let looks = 1; ; looks++) {
      const unsettled = [...answers.keys()].filter((i) => answers[i] === 'unsettled');
      if (unsettled.length === 0) return answers as (Rights | undefined)[];
      await wait(LOOK);
      const ask = looks < LOOKS ? this.#look : this.#settle;
      const again = await ask(unsettled.map((i) => users[i]!));
      for (const [at, i] of unsettled.entries()) answers[i] = again[at];
    }
  }

  async read(requests: ReadRequest[]): Promise<Slice[]> {
    return readSlices(requests, (some) => this.open(some));
  }

  async open(requests: ReadRequest[], signal?: AbortSignal, isUrgent = false): Promise<Reading> {
    const { ttl } = this.#retention;
    return RedisReading.begin({ redis: this.#replays, queue: this.#queue, ttl, signal, isUrgent }, requests);
  }

  async #change(
    verb: 'grant' | 'revoke',
    user: string,
    channel: string,
    data: Buffer | undefined,
    idempotency: Idempotency | undefined,
  ): Promise<Published> {
    const args = [...onceArguments(idempotency), verb, user, channel, ...(data ? [data] : [])];
    const answer = await this.#twice(() => this.#call('sisyphus_change', args));
    return published(`user:${user}`, answer as string[]);
  }

  async #call(name: string, args: Argument[]): Promise<unknown> {
    try {
      return await callFunction(this.#redis, name, args);
    } catch (error) {
      throw toSisyphusError(error);
    }
  }

  async #twice<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return askTwice(this.#redis, ask);
  }

  async #readRights(mode: 'look' | 'settle', users: KnownRights[]): Promise<(Rights | undefined | 'unsettled')[]> {
    const pairs = users.flatMap(({ user, known }) => [user, known === undefined ? '-' : String(known)]);
    const answer = (await this.#twice(() => this.#call('sisyphus_rights', [mode, ...pairs]))) as (
      | string[]
      | 'unsettled'
      | null
    )[];
    return answer.map((fields) => (Array.isArray(fields) ? rightsOf(fields) : (fields ?? undefined)));
  }
}

/** Without a key of the client's own, one under which an answer that was lost can be asked for again. */
function onceArguments(idempotency: Idempotency | undefined): Argument[] {
  if (!idempotency) return [`retry:${randomUUID()}`, '', REMEMBERED_FOR_RETRY];
  return [`request:${idempotency.key}`, idempotency.fingerprint, REMEMBERED];
}

function published(channel: string, [id = '', revision = '']: string[]): Published {
  return { channel, id: parsePosition(id) ?? BEGINNING, revision: Number(revision) };
}

function rightsOf([version = '', problem = '', names = '', places = '', plain = '']: string[]): Rights {
  const channels = new Map<string, Position>();
  const announced = new Map<string, PublishedAt>();
  const granted = places.split(' ');
  for (const [i, name] of names.split(' ').entries()) {
    if (isChannel(name)) channels.set(name, parsePosition(granted[i] ?? '') ?? BEGINNING);
  }
  const words = plain.split(' ');
  for (let i = 0; i + 2 < words.length; i += 3) {
    const after = parsePosition(words[i + 1]!);
    const id = parsePosition(words[i + 2]!);
    if (after !== undefined && id !== undefined) announced.set(words[i]!, { id, after });
  }
  return { version: parsePosition(version) ?? BEGINNING, channels, announced, problem: problem || undefined };
}
