import type { Redis } from 'ioredis';

import type { Gap } from '../../hub/channel-source.ts';
import type { Logger } from '../../logger.ts';
import { parsePlace } from '../../message/place.ts';
import { BEGINNING, isAfter, type Position, parsePosition } from '../../message/position.ts';

import {
  type Count,
  type Failure,
  FencedError,
  type LeaseAnswer,
  type LeaseRequest,
  type PlainListener,
  type PlainMessage,
  type PlainSource,
  type Recorded,
} from '../../recorder/plain-source.ts';
import { Witness } from '../../recorder/witness.ts';
import { closeConnection, suspect } from './connection.ts';
import { callFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { parseGap } from './parse-gap.ts';
import type { PlainNames } from './plain-names.ts';

/** The first four fields of an envelope have no more characters. */
const HEADER = 100;
/** A fork in which more channels have lost a message is everybody's. */
const MOST_LOST = 501;
/**
 * Patterns of plain channels also fit what is no plain PUBLISH in Redis's own count: notifications of the keyspace
 * (`__keyspace@0__:…`, `__keyevent@0__:…`), which no PUBLISH makes, and the topics of any installation.
 */
const UNCOUNTED = /^(__[a-z]+@\d+__:|sisyphus\{)/;

export interface RedisPlainSourceOptions {
  hearing: Redis;
  commands: Redis;
  url: string;
  keys: Keys;
  names: PlainNames;
  /** Called with the name of each plain PUBLISH, as the application wrote it. */
  onName(name: string): void;
  logger: Logger;
}

/** Hears plain channels and all records by pattern, on a connection of its own. */
export class RedisPlainSource implements PlainSource {
  readonly #hearing: Redis;
  readonly #url: string;
  readonly #logger: Logger;
  readonly #commands: Redis;
  readonly #keys: Keys;
  readonly #names: PlainNames;
  readonly #records: string;
  readonly #onName: (name: string) => void;
  readonly #witness = new Witness();
  /** Of the forks up to here it is said what is known of them. */
  #testified = BEGINNING;

  constructor({ hearing, commands, url, keys, names, onName, logger }: RedisPlainSourceOptions) {
    this.#hearing = hearing;
    this.#logger = logger;
    this.#url = url;
    this.#commands = commands;
    this.#keys = keys;
    this.#names = names;
    this.#onName = onName;
    this.#records = `${keys.topicPrefix}*`;
  }

  start(listener: PlainListener): void {
    this.#hearing.on('pmessageBuffer', (pattern: string, name: Buffer, payload: Buffer) => {
      this.#hear(listener, String(pattern), name.toString('latin1'), payload);
    });
    this.#hearing.on('ready', () => this.#up(listener));
    this.#hearing.on('close', () => listener.down());
    if (this.#hearing.status === 'ready') this.#up(listener);
  }

  async listen(): Promise<void> {
    // As the hub does, before anything is subscribed.
    await this.#testify();
    this.#witness.interrupt();
    await this.#hearing.psubscribe(this.#records, ...this.#names.patterns);
  }

  async deafen(): Promise<void> {
    this.#witness.interrupt();
    await this.#hearing.punsubscribe(this.#records, ...this.#names.patterns);
  }

  async anchor(name: string): Promise<void> {
    try {
      await callFunction(this.#hearing, this.#keys, 'sisyphus_anchor', [name]);
    } catch (error) {
      suspect(this.#hearing, this.#url, error);
      throw error;
    }
  }

  async lease({ name, ttl, from, fromCount, upTo, wanted, again }: LeaseRequest): Promise<LeaseAnswer> {
    const patterns = this.#names.description;
    const { id, number, count } = upTo ?? { id: BEGINNING, number: 0, count: fromCount };
    const place = [id, number, formatCount(count)];
    const args = [name, ttl, patterns, from, formatCount(fromCount), ...place, wanted, again ? 'again' : '-'];
    const answer = (await callFunction(this.#commands, this.#keys, 'sisyphus_lease', args)) as [
      LeaseAnswer['role'],
      string,
      number,
      number,
    ];
    const [answered, last, numbered, held] = answer;
    const recorded = { id: parsePosition(last) ?? BEGINNING, number: Number(numbered) };
    return { role: answered, place: recorded, isHeld: Number(held) === 1 };
  }

  async record(name: string, messages: PlainMessage[]): Promise<Recorded> {
    const args: (string | number | Buffer)[] = [name, formatCount(messages.at(-1)!.count)];
    for (const { id, number, channel, payload } of messages) args.push(id, number, channel, payload);
    try {
      const answer = (await callFunction(this.#commands, this.#keys, 'sisyphus_record', args)) as (number | string)[];
      const [recorded = 0, skipped = 0, ...failed] = answer;
      return { recorded: Number(recorded), skipped: Number(skipped), failed: failuresOf(failed) };
    } catch (error) {
      if ((error as Error).message.startsWith('FENCED')) throw new FencedError((error as Error).message);
      throw error;
    }
  }

  async close(): Promise<void> {
    await closeConnection(this.#hearing);
  }

  /** Whether or not it is about to hear again: others wait for what only those know who have heard everything. */
  #up(listener: PlainListener): void {
    listener.up();
    this.#testify().catch((error: Error) => this.#logger.warn({ event: 'testimony_failed', reason: error.message }));
  }

  /** Says which channels have lost a message, where the store turns out to have lost what it gave out last. */
  async #testify(): Promise<void> {
    const { floor } = this.#witness;
    if (floor === BEGINNING) return;
    const answer = await callFunction(this.#hearing, this.#keys, 'sisyphus_mark', [floor]);
    const [, , gaps] = answer as [string, string, string[]];
    for (const gap of gaps) await this.#testifyOf(parseGap(gap));
  }

  async #testifyOf({ reason, from, to, extent }: Gap): Promise<void> {
    if (reason !== 'forked' || extent === 'all' || extent === 'old' || !isAfter(to, this.#testified)) return;
    const { channels, heardAll } = this.#witness.testify({ from, to });
    if (heardAll || channels.length > 0) {
      const words = [from, to, heardAll ? '@heard' : '@some', ...channels.slice(0, MOST_LOST)];
      await callFunction(this.#hearing, this.#keys, 'sisyphus_lost', words);
    }
    this.#testified = to;
  }

  #hear(listener: PlainListener, pattern: string, name: string, payload: Buffer): void {
    if (pattern === this.#records) {
      this.#hearRecord(listener, name.slice(this.#keys.topicPrefix.length), payload);
      return;
    }
    // A channel that two patterns match is heard twice: the first pattern counts.
    if (UNCOUNTED.test(name) || this.#names.patternOf(name) !== pattern) return;
    this.#onName(name);
    listener.plain(this.#names.channelOf(name), payload);
  }

  #hearRecord(listener: PlainListener, topic: string, payload: Buffer): void {
    if (topic === '@recorder') listener.released();
    else if (topic === '@settle') {
      this.#witness.anchored(positionIn(payload));
      listener.settle(positionIn(payload));
    } else if (topic === '@settled') listener.settled(settledIn(payload));
    else if (topic === '@gap') this.#hearGap(payload.toString('latin1'));
    else if (topic === '@anchor') {
      const [id = '', anchor = '', count = ''] = payload.toString('latin1').split(' ');
      const [life = '', number = ''] = count.split(':');
      const position = parsePosition(id) ?? BEGINNING;
      this.#witness.anchored(position);
      listener.anchored(position, anchor, { life, number: Number(number) });
    } else {
      const [id = '', , , place = '-'] = payload.toString('latin1', 0, HEADER).split(' ', 4);
      const position = parsePosition(id);
      if (position === undefined) return;
      this.#witness.hear(topic.replaceAll('/', ':'), position);
      listener.recorded(position, parsePlace(place));
    }
  }

  /** The store turns out to have lost something while the connection goes on. */
  #hearGap(text: string): void {
    if (!text.startsWith('forked ')) return;
    const failed = (error: Error): void => this.#logger.warn({ event: 'testimony_failed', reason: error.message });
    this.#testifyOf(parseGap(text)).catch(failed);
  }
}

/** The id up to which everything is recorded: `upto <id>`. */
export function settledIn(payload: Buffer): Position {
  return parsePosition(/^upto (\d+)$/.exec(payload.toString('latin1'))?.[1] ?? '') ?? BEGINNING;
}

function positionIn(payload: Buffer): Position {
  return parsePosition(payload.toString('latin1')) ?? BEGINNING;
}

/** Of channels and what is wrong with them, in turn. */
function failuresOf(words: (number | string)[]): Failure[] {
  const failures: Failure[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    failures.push({ channel: String(words[i]), reason: String(words[i + 1]) });
  }
  return failures;
}

function formatCount({ life, number }: Count): string {
  return `${life}:${number}`;
}
