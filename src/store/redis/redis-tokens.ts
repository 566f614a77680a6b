import type { Redis } from 'ioredis';
import type { TokenHash, TokenState, Tokens } from '../../message/token.ts';
import { askTwice } from './ask-twice.ts';
import { batched } from './batch.ts';
import { callFunction, readFunction } from './functions.ts';
import type { Keys } from './keys.ts';

/** Tokens in one call: half a millisecond of Redis's time. */
const CHUNK = 250;

export interface RedisTokensOptions {
  commands: Redis;
  /** The connection for lookups: these calls must not keep records and leases waiting. */
  replays: Redis;
  keys: Keys;
}

/** Tokens in Redis, through the functions of the library. Redis is given hashes only. */
export class RedisTokens implements Tokens {
  readonly #options: RedisTokensOptions;
  readonly #look = batched(CHUNK, (tokens: TokenHash[]) => this.#read(tokens));

  constructor(options: RedisTokensOptions) {
    this.#options = options;
  }

  read(tokens: TokenHash[]): Promise<TokenState[]> {
    return this.#look(tokens);
  }

  async add({ user, hash }: TokenHash, ttl: number): Promise<number> {
    return Number(await this.#write('sisyphus_add_token', [user, hash, ttl]));
  }

  async revoke({ user, hash }: { user: string; hash?: string | undefined }): Promise<number> {
    const which = hash === undefined ? ['user', user] : ['hash', user, hash];
    return Number(await this.#write('sisyphus_revoke_tokens', which));
  }

  /** May be called again if its answer is lost: the second call does what the first one did. */
  #write(name: string, args: (string | number)[]): Promise<unknown> {
    const { commands, keys } = this.#options;
    return askTwice(commands, () => callFunction(commands, keys, name, args));
  }

  async #read(tokens: TokenHash[]): Promise<TokenState[]> {
    const { replays, keys } = this.#options;
    const args = tokens.flatMap(({ user, hash }) => [user, hash]);
    const answer = (await askTwice(replays, () => readFunction(replays, keys, 'sisyphus_tokens_ro', args))) as Buffer[];
    return answer.map(String).map((state) => {
      if (state === 'expired' || state === 'revoked') return state;
      return /^\d+$/.test(state) ? Number(state) : 'unknown';
    });
  }
}
