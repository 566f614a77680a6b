import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { formatOf } from '../../connection/encode.ts';
import type { Carried, Claim, Claimed, PollStore } from '../../poll/poll-store.ts';
import { askTwice } from './ask-twice.ts';
import { type Argument, callFunction, readFunction } from './functions.ts';
import type { Keys } from './keys.ts';
import { rethrow } from './redis-error.ts';

export interface RedisPollsOptions {
  commands: Redis;
  /** A connection for the subscription alone. */
  hearing: Redis;
  keys: Keys;
}

/** Poll sessions in Redis, through the functions of the library. */
export class RedisPolls implements PollStore {
  onNews: (session: string | undefined) => void = () => undefined;
  readonly #commands: Redis;
  readonly #keys: Keys;
  /** The name of this gateway among those at which polls wait. */
  readonly #gateway = randomBytes(8).toString('hex');

  constructor({ commands, hearing, keys }: RedisPollsOptions) {
    this.#commands = commands;
    this.#keys = keys;
    const topic = `${keys.topicPrefix}@poll/${this.#gateway}`;
    hearing.on('message', (_topic: string, session: string) => this.onNews(session));
    hearing.on('ready', () => {
      // What was published before the subscription is not heard, so all polls ask again then. If the connection is lost, `ready` follows.
      hearing.subscribe(topic).then(
        () => this.onNews(undefined),
        () => undefined,
      );
    });
  }

  async open(session: string, hasAck: boolean, carried: Carried | undefined, instead = ''): Promise<string> {
    const { user = '', binding = '', format = '', position = '' } = carried ?? {};
    const args = [session, hasAck ? 1 : 0, user, binding, format, position, instead];
    return String(await this.#call('sisyphus_poll_open', args));
  }

  async read(session: string): Promise<Carried | 'nothing' | undefined> {
    const read = (): Promise<unknown> => readFunction(this.#commands, this.#keys, 'sisyphus_poll_read_ro', [session]);
    const answer = (await askTwice(this.#commands, read)) as Buffer[];
    const [user, binding = '', format, position = '', told, number] = answer.map(String);
    if (user === undefined) return undefined;
    if (user === '') return 'nothing';
    return {
      user,
      binding,
      format: formatOf(format),
      position,
      isTold: told === '1',
      number: Number(number),
    };
  }

  async claim({ session, poll, isFirst, got, progress }: Claim): Promise<Claimed> {
    const args: Argument[] = [session, poll, this.#gateway, isFirst ? 'begin' : 'look', got];
    if (progress) args.push(progress.position, progress.isTold ? 1 : 0, progress.number, ...progress.frames);
    const [kind, first, text] = (await this.#call('sisyphus_poll_claim', args)) as [string, string | number, string];
    switch (kind) {
      case 'batch':
        return { kind, number: Number(first), text };
      case 'wait':
        return { kind, again: first === '' ? undefined : Number(first) };
      case 'older':
        return { kind };
      default:
        return { kind: 'unknown' };
    }
  }

  async end(session: string, poll: string, how: 'written' | 'back'): Promise<void> {
    await this.#call('sisyphus_poll_end', [session, poll, how]);
  }

  async send(session: string, messages: string[]): Promise<number | undefined> {
    // Not sent again if the answer is lost: the messages might be sent twice.
    const dropped = Number(await this.#once('sisyphus_poll_send', [session, ...messages]));
    return dropped < 0 ? undefined : dropped;
  }

  async receive(session: string, messages: string[], request?: string): Promise<boolean> {
    // The names of all requests, and the keys of publishers, share one space.
    const name = request === undefined ? randomBytes(16).toString('hex') : `${session}/${request}`;
    const [count] = (await this.#call('sisyphus_poll_receive', [session, name, ...messages])) as string[];
    return count !== '-1';
  }

  /** For functions that may be called again if their answer is lost. */
  #call(name: string, args: Argument[]): Promise<unknown> {
    return askTwice(this.#commands, () => callFunction(this.#commands, this.#keys, name, args));
  }

  #once(name: string, args: Argument[]): Promise<unknown> {
    return callFunction(this.#commands, this.#keys, name, args).catch(rethrow);
  }
}
