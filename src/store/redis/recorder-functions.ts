import type { Redis } from 'ioredis';
import type { Gap } from '../../hub/channel-source.ts';
import { BEGINNING, type Position, parsePosition } from '../../message/position.ts';
import {
  type Count,
  type Failure,
  FencedError,
  type LeaseAnswer,
  type LeaseRequest,
  type PlainMessage,
  type Recorded,
} from '../../recorder/plain-source.ts';
import { type Argument, callFunction } from './functions.ts';
import { parseGap } from './parse-gap.ts';
import type { Parts } from './parts.ts';
import { isFenced } from './redis-error.ts';

type LeaseReply = [
  role: LeaseAnswer['role'],
  id: string,
  number: number,
  held: number,
  counted?: string,
  asked?: string,
];

export interface RecorderFunctionsOptions extends Pick<Parts, 'keys' | 'standing'> {
  hearing: Redis;
  commands: Redis;
}

/** The functions of the library that a recorder calls. They reject with the driver's errors, or with a FencedError. */
export class RecorderFunctions {
  readonly #options: RecorderFunctionsOptions;

  constructor(options: RecorderFunctionsOptions) {
    this.#options = options;
  }

  /** Publishes an anchor; `patterns`: those by which places are counted after it. */
  async anchor(name: string, patterns?: string): Promise<void> {
    await this.#ask('hearing', 'sisyphus_anchor', patterns === undefined ? [name] : [name, patterns]);
  }

  /**
   * `patterns`: those by which this recorder counts places. Answers `counted`, those in the store, and `asked`, those that gateways
   * want to have recorded.
   */
  async lease(
    { name, ttl, from, fromCount, upTo, wanted, again }: LeaseRequest,
    patterns: string,
  ): Promise<LeaseAnswer & { counted: string; asked: string }> {
    const { id, number, count } = upTo ?? { id: BEGINNING, number: 0, count: fromCount };
    const recorded = [id, number, formatCount(count)];
    const args = [name, ttl, patterns, from, formatCount(fromCount), ...recorded, wanted, again ? 'again' : '-'];
    const answer = (await this.#ask('commands', 'sisyphus_lease', args)) as LeaseReply;
    const [role, last, numbered, held, counted = '', asked = '-'] = answer;
    const place = { id: parsePosition(last) ?? BEGINNING, number: Number(numbered) };
    return { role, place, isHeld: Number(held) === 1, counted, asked };
  }

  async record(name: string, messages: PlainMessage[]): Promise<Recorded> {
    const args: Argument[] = [name, formatCount(messages.at(-1)!.count)];
    for (const { id, number, channel, payload } of messages) args.push(id, number, channel, payload);
    const [recorded = 0, skipped = 0, ...failed] = (await this.#ask('commands', 'sisyphus_record', args)) as Words;
    return { recorded: Number(recorded), skipped: Number(skipped), failed: failuresOf(failed) };
  }

  /** The gaps that the store knows. The call also makes all later ids rise above `floor`. */
  async gaps(floor: Position): Promise<Gap[]> {
    const [, , gaps] = (await this.#ask('hearing', 'sisyphus_mark', [floor])) as [string, string, string[]];
    return gaps.map(parseGap);
  }

  async reportLost({ from, to }: Gap, extent: 'heard' | 'some', channels: string[]): Promise<void> {
    await this.#ask('hearing', 'sisyphus_lost', [from, to, `@${extent}`, ...channels]);
  }

  async #ask(connection: 'hearing' | 'commands', name: string, args: Argument[]): Promise<unknown> {
    const { keys, standing } = this.#options;
    const isCommand = connection === 'commands';
    try {
      const answer = await callFunction(this.#options[connection], keys, name, args);
      if (isCommand) standing.worked('recording');
      standing.wrote(isCommand ? 'commands' : 'recorder');
      return answer;
    } catch (error) {
      if (isFenced(error)) throw new FencedError(error.message);
      standing.failed('recording', error);
      throw error;
    }
  }
}

type Words = (number | string)[];

/** The failures in a list of channels and reasons, in turn. */
function failuresOf(words: Words): Failure[] {
  const failures: Failure[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    failures.push({ channel: String(words[i]), reason: String(words[i + 1]) });
  }
  return failures;
}

function formatCount({ life, number }: Count): string {
  return `${life}:${number}`;
}
