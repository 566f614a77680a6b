import type { Redis } from 'ioredis';
import type { Publication, Published } from '../../backlog/backlog.ts';
import type { DirectPublisher } from '../../backlog/direct-publisher.ts';
import { BEGINNING, parsePosition } from '../../message/position.ts';
import { callFunction } from './functions.ts';
import type { Parts } from './parts.ts';
import { redisCliWords } from './redis-cli-words.ts';
import { rethrow } from './redis-error.ts';
import { urlOf } from './target.ts';

export interface RedisDirectPublisherOptions extends Pick<Parts, 'keys' | 'names' | 'url'> {
  commands: Redis;
}

export class RedisDirectPublisher implements DirectPublisher {
  readonly command: string;
  readonly key: string;
  readonly #options: RedisDirectPublisherOptions;

  constructor(options: RedisDirectPublisherOptions) {
    this.#options = options;
    this.command = redisCliWords(urlOf(options.url));
    this.key = options.keys.declared;
  }

  async publish(channel: string, data: Buffer): Promise<number> {
    const { commands, names } = this.#options;
    return commands.publish(names.namesOf(channel)[0] ?? channel, data).catch(rethrow);
  }

  /** Not repeated if its answer is lost, as an application would not repeat it either. */
  async callFunction({ channel, data, event = '' }: Publication): Promise<Published> {
    const { commands, keys } = this.#options;
    const args = [channel, data, ...(event === '' ? [] : [event])];
    const [id, revision] = (await callFunction(commands, keys, 'sisyphus_publish', args).catch(rethrow)) as string[];
    return { channel, id: parsePosition(String(id)) ?? BEGINNING, revision: Number(revision) };
  }
}
