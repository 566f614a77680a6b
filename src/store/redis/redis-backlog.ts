import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import {
  type Backlog,
  type Idempotency,
  knownFor,
  type ListRequest,
  type Publication,
  type Published,
  type ReadRequest,
  type Retention,
  type Rights,
  type Slice,
} from '../../backlog/backlog.ts';
import { type Judgement, judgeSlice } from '../../backlog/gap.ts';
import type { Logger } from '../../logger.ts';
import { parseEnvelope } from '../../message/envelope.ts';
import type { Message } from '../../message/message.ts';
import { isChannel } from '../../message/names.ts';
import {
  BEGINNING,
  earlierOf,
  isAfter,
  laterOf,
  type Position,
  parsePosition,
  positionBefore,
} from '../../message/position.ts';
import { parseChanges } from '../../message/rights-change.ts';
import { batched } from './batch.ts';
import { type Argument, callFunction, ReadableFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { isStateRefusal, isUnanswered, toSisyphusError } from './redis-error.ts';
import { RightsQueue } from './rights-queue.ts';
import { Standing } from './standing.ts';

/** How long an `Idempotency-Key` is remembered. */
const REMEMBERED = 300_000;
/** How long the gateway's own key is: longer than it takes to ask again. */
const REMEMBERED_FOR_RETRY = 30_000;
/** How long to wait for Redis to come back before asking again. */
const RETRY_WITHIN = 1200;

/** Users whose list has something wrong with it, and of whom it has been said. */
const MOST_PROBLEMS = 10_000;

/** Backlogs and rights in Redis, through the functions of the library. */
export class RedisBacklog implements Backlog {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #retention: Pick<Retention, 'ttl'>;
  readonly #standing: Standing;
  readonly #rights: ReadableFunction;
  readonly #logger: Logger | undefined;
  readonly #problems = new Map<string, string>();
  /** Called with a user who has no channels but the own one. */
  readonly #onNoList: (user: string) => void;
  #ready: Promise<boolean> | undefined;
  readonly #lists = new RightsQueue({
    run: (users: ListRequest[]) => this.#readRights(users),
    sizeOf: (rights) => rights?.channels.size,
  });
  readonly #read = batched(500, (requests: ReadRequest[]) => this.#twice(() => this.#readSlices(requests)));

  constructor(
    redis: Redis,
    keys: Keys,
    retention: Pick<Retention, 'ttl'>,
    standing = new Standing(),
    logger?: Logger,
    onNoList: (user: string) => void = () => undefined,
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#retention = retention;
    this.#standing = standing;
    this.#rights = new ReadableFunction(redis, keys, 'sisyphus_rights');
    this.#logger = logger;
    this.#onNoList = onNoList;
  }

  async publish(publications: Publication[], idempotency?: Idempotency): Promise<Published[]> {
    const args = onceArguments(idempotency);
    for (const { channel, data, event } of publications) args.push(channel, data, event ?? '');
    const answer = (await this.#twice(() => this.#write('sisyphus_publish_batch', args))) as string[];
    return publications.map(({ channel }, i) => published(channel, answer.slice(2 * i, 2 * i + 2)));
  }

  async grant(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#change('grant', user, channel, data, idempotency);
  }

  async revoke(user: string, channel: string, data?: Buffer, idempotency?: Idempotency): Promise<Published> {
    return this.#change('revoke', user, channel, data, idempotency);
  }

  async rights(users: ListRequest[]): Promise<(Rights | undefined)[]> {
    return this.#lists.ask(users);
  }

  async read(requests: ReadRequest[]): Promise<Slice[]> {
    return this.#read(requests);
  }

  async #change(
    verb: 'grant' | 'revoke',
    user: string,
    channel: string,
    data: Buffer | undefined,
    idempotency: Idempotency | undefined,
  ): Promise<Published> {
    const args = [...onceArguments(idempotency), verb, user, channel, ...(data ? [data] : [])];
    const answer = await this.#twice(() => this.#write('sisyphus_change', args));
    return published(`user:${user}`, answer as string[]);
  }

  async #write(name: string, args: Argument[]): Promise<unknown> {
    try {
      const answer = await callFunction(this.#redis, this.#keys, name, args);
      this.#standing.worked('publishing');
      this.#standing.wrote('commands');
      return answer;
    } catch (error) {
      // Anything else may be the fault of this message, or of its channel.
      if (isStateRefusal(error)) this.#standing.failed('publishing', error);
      throw toSisyphusError(error);
    }
  }

  /** For reads, and for what carries a key: where the answer was lost with its connection, it is safe to ask again. */
  async #twice<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      if (!isUnanswered(error) || !(await this.#becomesReady())) throw error;
      return ask();
    }
  }

  /** Whether the connection is usable within `RETRY_WITHIN`; all who wait wait for one event. */
  #becomesReady(): Promise<boolean> {
    if (this.#redis.status === 'ready') return Promise.resolve(true);
    this.#ready ??= once(this.#redis, 'ready', { signal: AbortSignal.timeout(RETRY_WITHIN) })
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        this.#ready = undefined;
      });
    return this.#ready;
  }

  async #readRights(users: ListRequest[]): Promise<(Rights | undefined)[]> {
    const pairs = users.flatMap(({ user, known }) => [user, known === undefined ? '-' : String(known)]);
    const { answer } = await this.#twice(async () => {
      try {
        return await this.#rights.call(['look', ...pairs], pairs);
      } catch (error) {
        throw toSisyphusError(error);
      }
    });
    return (answer as (string[] | string | null)[]).map((fields, i) => {
      const { user } = users[i]!;
      const rights = Array.isArray(fields) ? rightsOf(fields) : undefined;
      this.#noteProblem(user, rights ? rights.problem : (fields as string | null));
      if (rights?.channels.size === 0 && rights.problem === undefined) this.#onNoList(user);
      return rights;
    });
  }

  /** What is wrong with a user's list is said once, until something else is. */
  #noteProblem(user: string, problem: string | null | undefined): void {
    if (!problem) {
      this.#problems.delete(user);
      return;
    }
    if (this.#problems.get(user) === problem) return;
    if (this.#problems.size >= MOST_PROBLEMS) this.#problems.clear();
    this.#problems.set(user, problem);
    this.#logger?.warn({ event: 'list_unreadable', user, reason: problem });
  }

  async #readSlices(requests: ReadRequest[]): Promise<Slice[]> {
    const pipeline = this.#redis.pipeline();
    pipeline.time();
    pipeline.hmget(this.#keys.clock, 'ttl', 'raised', 'lived');
    for (const { channel, after, last } of requests) {
      pipeline.get(this.#keys.head(channel));
      if (last === undefined) pipeline.xrangeBuffer(this.#keys.backlog(channel), `(${after}`, '+');
      else pipeline.xrevrangeBuffer(this.#keys.backlog(channel), '+', '-', 'COUNT', last);
    }
    const replies = await pipeline.exec().catch((error: unknown) => {
      throw toSisyphusError(error);
    });
    const [seconds = 0, microseconds = 0] = (value(replies?.[0]) as (string | number)[]).map(Number);
    const now = seconds * 1000 + Math.floor(microseconds / 1000);
    const knownSince = knownSinceOf(replies?.[1], this.#retention.ttl, now);
    return requests.map((request, i) => {
      const head = headOf(replies?.[2 + 2 * i]);
      const kept = entriesOf(replies?.[3 + 2 * i]).flatMap(([, fields]) => messageOf(request.channel, fields));
      if (request.last !== undefined) kept.reverse();
      const { after } = request;
      return sliceOf(request, judgeSlice({ after, head, entries: kept, ttl: this.#retention.ttl, now, knownSince }));
    });
  }
}

function sliceOf({ channel, upTo, last }: ReadRequest, { messages, gap }: Judgement): Slice {
  return {
    channel,
    messages: messages.filter(({ id }) => !isAfter(id, upTo)),
    gap: last === undefined ? gap : undefined,
  };
}

/** Since when the store knows of every channel that there was a message; `reply`: its ttl, and how long it knew before that was raised. */
function knownSinceOf(reply: [Error | null, unknown] | undefined, ttl: number, now: number): Position {
  const [kept, raised, lived] = ((reply?.[1] as (string | null)[] | null) ?? []).map((text) =>
    parsePosition(text ?? ''),
  );
  const since = positionBefore(knownFor(kept || ttl), now);
  return raised && lived ? laterOf(since, earlierOf(raised, positionBefore(lived, now))) : since;
}

/** Without a key of the client's own, one under which an answer that was lost can be asked for again. */
function onceArguments(idempotency: Idempotency | undefined): Argument[] {
  if (!idempotency) return [`retry:${randomUUID()}`, '', REMEMBERED_FOR_RETRY];
  return [`request:${idempotency.key}`, idempotency.fingerprint, REMEMBERED];
}

function value(reply: [Error | null, unknown] | undefined): unknown {
  if (!reply || reply[0]) throw toSisyphusError(reply?.[0] ?? new Error('no answer'));
  return reply[1];
}

/** As `entriesOf`: one key that is denied or of the wrong type must not keep the others from being read. */
function headOf(reply: [Error | null, unknown] | undefined): Position {
  if (reply?.[0] && !isUnanswered(reply[0])) return BEGINNING;
  return parsePosition((value(reply) as string | null) ?? '') ?? BEGINNING;
}

/** A backlog of the wrong type, or one that is denied, is as good as none: the head tells that something is missing. */
function entriesOf(reply: [Error | null, unknown] | undefined): [Buffer, Buffer[]][] {
  if (reply?.[0] && !isUnanswered(reply[0])) return [];
  return value(reply) as [Buffer, Buffer[]][];
}

/** What somebody else has put into a backlog is no message, and must not keep others from theirs. */
function messageOf(channel: string, [, envelope]: Buffer[]): Message[] {
  try {
    return envelope ? [parseEnvelope(channel, envelope)] : [];
  } catch {
    // The next message's `previous` tells whether one is missing.
    return [];
  }
}

function published(channel: string, [id = '', revision = '']: string[]): Published {
  return { channel, id: parsePosition(id) ?? BEGINNING, revision: Number(revision) };
}

function rightsOf([version = '', problem = '', names = '', ids = '', , changes = '', state = '']: string[]): Rights {
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
