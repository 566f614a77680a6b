import type { Config } from '../../config/config.ts';
import type { RedisTls } from '../../config/redis-certificates.ts';

/** Where a Redis is: an address alone, or with the certificates to use there. */
export type RedisTarget = string | { url: string; tls: RedisTls };

/** The Redis that is configured, if there is one. */
export function targetOf(
  config: Pick<Config, 'redisUrl' | 'redisCa' | 'redisCert' | 'redisKey'>,
): RedisTarget | undefined {
  const { redisUrl: url, redisCa: ca, redisCert: cert, redisKey: key } = config;
  return url === undefined ? undefined : { url, tls: { ca, cert, key } };
}

export function urlOf(target: RedisTarget): string {
  return typeof target === 'string' ? target : target.url;
}

export function tlsOf(target: RedisTarget): RedisTls {
  return typeof target === 'string' ? {} : target.tls;
}
