import type { Redis } from 'ioredis';
import { parsePlace } from '../../message/place.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import {
  FencedError,
  type LeaseAnswer,
  type LeaseRequest,
  type PlainListener,
  type PlainMessage,
  type PlainSource,
  type Recorded,
} from '../../recorder/plain-source.ts';
import { Witness } from '../../recorder/witness.ts';
import { Failures } from '../../repeats.ts';
import { closeConnection, suspect } from './connection.ts';
import { ForkTestimony } from './fork-testimony.ts';
import { HeardPatterns } from './heard-patterns.ts';
import type { Keys } from './keys.ts';
import { parseGap } from './parse-gap.ts';
import type { Parts } from './parts.ts';
import type { PlainNames } from './plain-names.ts';
import { RecorderFunctions } from './recorder-functions.ts';
import { toSisyphusError } from './redis-error.ts';
import { settledIn } from './settling.ts';
import type { RedisTarget } from './target.ts';

/** The first four fields of an envelope have at most so many characters. */
const HEADER = 100;
/**
 * Names that patterns of plain channels also match, but that are no plain PUBLISHes in Redis's own count: notifications of the
 * keyspace (`__keyspace@0__:…`, `__keyevent@0__:…`), which no PUBLISH makes, and the topics of any installation.
 */
const UNCOUNTED = /^(__[a-z]+@\d+__:|sisyphus\{)/;

export interface RedisPlainSourceOptions extends Parts {
  hearing: Redis;
  commands: Redis;
  /** Called with the name of each plain PUBLISH, as the application wrote it. */
  onName(name: string): void;
}

/** Receives plain channels and all records by pattern, on a connection of its own. */
export class RedisPlainSource implements PlainSource {
  readonly #hearing: Redis;
  readonly #url: RedisTarget;
  readonly #failures: Failures;
  readonly #functions: RecorderFunctions;
  readonly #keys: Keys;
  /** The names by which plain PUBLISHes are recorded, as far as they are known here: the whole gateway uses them. */
  readonly #names: PlainNames;
  readonly #patterns: HeardPatterns;
  #isListening = false;
  /** Subscriptions are changed one at a time. */
  #isChanging = false;
  readonly #records: string;
  readonly #onName: (name: string) => void;
  readonly #witness = new Witness();
  readonly #testimony: ForkTestimony;

  constructor({ hearing, commands, url, keys, names, standing, onName, logger }: RedisPlainSourceOptions) {
    this.#hearing = hearing;
    this.#failures = new Failures(logger);
    this.#url = url;
    this.#functions = new RecorderFunctions({ hearing, commands, keys, standing });
    this.#testimony = new ForkTestimony(this.#functions, this.#witness);
    this.#keys = keys;
    this.#names = names;
    this.#patterns = new HeardPatterns(names);
    this.#onName = onName;
    this.#records = `${keys.topicPrefix}*`;
  }

  start(listener: PlainListener): void {
    this.#hearing.on('pmessageBuffer', (pattern: string, name: Buffer, payload: Buffer) => {
      this.#hear(listener, String(pattern), name.toString('latin1'), payload);
    });
    this.#hearing.on('ready', () => this.#up(listener));
    this.#hearing.on('close', () => {
      this.#isListening = false;
      this.#patterns.end();
      listener.down();
    });
    if (this.#hearing.status === 'ready') this.#up(listener);
  }

  async listen(): Promise<void> {
    await answered(async () => {
      // The testimony is given before anything is subscribed, as the hub reads its mark before.
      await this.#testimony.give();
      this.#witness.interrupt();
      const { hear, forget } = this.#patterns.begin();
      this.#isListening = true;
      await this.#hearing.psubscribe(this.#records, ...hear);
      if (forget.length > 0) await this.#hearing.punsubscribe(...forget);
    });
  }

  async deafen(): Promise<void> {
    this.#isListening = false;
    this.#witness.interrupt();
    this.#patterns.end();
    await answered(() => this.#hearing.punsubscribe());
  }

  async anchor(name: string): Promise<void> {
    try {
      await answered(() => this.#functions.anchor(name));
    } catch (error) {
      suspect(this.#hearing, this.#url, error);
      throw error;
    }
  }

  async lease(request: LeaseRequest): Promise<LeaseAnswer> {
    const patterns = this.#patterns.counted.description;
    const { counted, asked, ...answer } = await answered(() => this.#functions.lease(request, patterns));
    this.#patterns.learn(counted, asked, this.#isListening);
    if (request.wanted === 'keep') this.#follow(answer.role === 'leader' ? request.name : undefined);
    return answer;
  }

  async record(name: string, messages: PlainMessage[]): Promise<Recorded> {
    return answered(() => this.#functions.record(name, messages));
  }

  async close(): Promise<void> {
    await closeConnection(this.#hearing);
  }

  /**
   * Subscribes to the patterns that are requested besides, and drops those that are no longer needed. `owner`: the name of this
   * recorder, if it has the lease, and so decides by which patterns places are counted.
   */
  #follow(owner: string | undefined): void {
    if (this.#isChanging || !this.#isListening) return;
    this.#isChanging = true;
    this.#change(owner)
      .catch((error: unknown) => this.#failures.log('patterns_refused', error))
      .finally(() => {
        this.#isChanging = false;
      });
  }

  async #change(owner: string | undefined): Promise<void> {
    const missing = this.#patterns.missing();
    if (missing.length > 0) {
      await this.#hearing.psubscribe(...missing);
      if (!this.#isListening) return;
      this.#patterns.hear(missing);
    }
    const superfluous = this.#patterns.takeSuperfluous();
    if (superfluous.length > 0) await this.#hearing.punsubscribe(...superfluous);
    const next = owner === undefined ? undefined : this.#patterns.next();
    if (next !== undefined) await this.#functions.anchor(owner!, next);
  }

  /**
   * Reports on forks whether or not this recorder listens again: other gateways wait for a testimony that only a recorder which
   * has received everything can give.
   */
  #up(listener: PlainListener): void {
    listener.up();
    this.#testify(() => this.#testimony.give());
  }

  #hear(listener: PlainListener, pattern: string, name: string, payload: Buffer): void {
    if (pattern === this.#records) {
      this.#hearRecord(listener, name.slice(this.#keys.topicPrefix.length), payload);
      return;
    }
    // If two patterns match a channel, its messages are received twice: the first pattern counts.
    if (UNCOUNTED.test(name) || !this.#patterns.accepts(pattern, name)) return;
    this.#onName(name);
    listener.plain(this.#patterns.counted.channelOf(name), payload);
  }

  #hearRecord(listener: PlainListener, topic: string, payload: Buffer): void {
    if (topic === '@recorder' || topic === '@patterns') listener.released();
    else if (topic === '@settle') {
      this.#witness.anchored(positionIn(payload));
      listener.settle(positionIn(payload));
    } else if (topic === '@settled') listener.settled(settledIn(payload));
    else if (topic === '@gap') this.#hearGap(payload.toString('latin1'));
    else if (topic === '@disconnect') {
      const [id = ''] = payload.toString('latin1').split(' ', 1);
      const position = parsePosition(id) ?? BEGINNING;
      this.#witness.anchored(position);
      listener.recorded(position, undefined);
    } else if (topic === '@anchor') this.#hearAnchor(listener, payload.toString('latin1'));
    else {
      const [id = '', , , place = '-'] = payload.toString('latin1', 0, HEADER).split(' ', 4);
      const position = parsePosition(id);
      if (position === undefined) return;
      this.#witness.hear(topic.replaceAll('/', ':'), position);
      listener.recorded(position, parsePlace(place));
    }
  }

  #hearAnchor(listener: PlainListener, text: string): void {
    const [id = '', anchor = '', count = '', word, ...patterns] = text.split(' ');
    const [life = '', number = ''] = count.split(':');
    const position = parsePosition(id) ?? BEGINNING;
    this.#witness.anchored(position);
    const change = this.#patterns.anchored(patterns.join(' '), word === 'switch');
    this.#names.adopt(this.#patterns.counted.asked);
    if (change === 'stale') {
      listener.down();
      listener.up();
    } else listener.anchored(position, anchor, { life, number: Number(number) });
  }

  #testify(give: () => Promise<void>): void {
    answered(give).catch((error: unknown) => this.#failures.log('testimony_failed', error));
  }

  /** The store has found that it lost messages, while the connection stays up. */
  #hearGap(text: string): void {
    if (!text.startsWith('forked ')) return;
    this.#testify(() => this.#testimony.giveOf(parseGap(text)));
  }
}

/** Makes SisyphusErrors of the driver's errors; a FencedError (another gateway has the lease) stays as it is. */
async function answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof FencedError ? error : toSisyphusError(error);
  }
}

function positionIn(payload: Buffer): Position {
  return parsePosition(payload.toString('latin1')) ?? BEGINNING;
}
