import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import {
  type Backlog,
  type Idempotency,
  knownFor,
  type Publication,
  type Published,
  type ReadRequest,
  type Retention,
  type Rights,
  type Slice,
} from '../../backlog/backlog.ts';
import { type Judgement, judgeSlice } from '../../backlog/gap.ts';
import { parseEnvelope } from '../../message/envelope.ts';
import type { Message, PublishedAt } from '../../message/message.ts';
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
import { batched } from './batch.ts';
import { type Argument, callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { isUnanswered, toSisyphusError } from './redis-error.ts';

/** How long an `Idempotency-Key` is remembered. */
const REMEMBERED = 300_000;
/** How long the gateway's own key is: longer than it takes to ask again. */
const REMEMBERED_FOR_RETRY = 30_000;
/** How long to wait for Redis to come back before asking again. */
const RETRY_WITHIN = 1200;

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
  readonly #keys: Keys;
  readonly #retention: Pick<Retention, 'ttl'>;
  /** Called with a user who has no channels but the own one. */
  readonly #onNoList: (user: string) => void;
  #ready: Promise<boolean> | undefined;
  readonly #look = batched(200, (users: KnownRights[]) => this.#readRights('look', users));
  readonly #settle = batched(200, (users: KnownRights[]) => this.#readRights('settle', users));
  readonly #read = batched(500, (requests: ReadRequest[]) => this.#twice(() => this.#readSlices(requests)));

  constructor(
    redis: Redis,
    keys: Keys,
    retention: Pick<Retention, 'ttl'>,
    onNoList: (user: string) => void = () => undefined,
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#retention = retention;
    this.#onNoList = onNoList;
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
    const answer = await this.#twice(() => this.#call('sisyphus_change', args));
    return published(`user:${user}`, answer as string[]);
  }

  async #call(name: string, args: Argument[]): Promise<unknown> {
    try {
      return await callFunction(this.#redis, this.#keys, name, args);
    } catch (error) {
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

  async #readRights(mode: 'look' | 'settle', users: KnownRights[]): Promise<(Rights | undefined | 'unsettled')[]> {
    const pairs = users.flatMap(({ user, known }) => [user, known === undefined ? '-' : String(known)]);
    const answer = (await this.#twice(() => this.#call('sisyphus_rights', [mode, ...pairs]))) as (
      | string[]
      | 'unsettled'
      | null
    )[];
    return answer.map((fields, i) => {
      if (!Array.isArray(fields)) return fields ?? undefined;
      const rights = rightsOf(fields);
      if (rights.channels.size === 0 && rights.problem === undefined) this.#onNoList(users[i]!.user);
      return rights;
    });
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
