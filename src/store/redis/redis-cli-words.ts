import { parseRedisUrl } from '../../config/redis-url.ts';

/** How a person reaches this Redis with `redis-cli`. A password is not in it: where one is needed, it names the variable. */
export function redisCliWords(url: string): string {
  const address = parseRedisUrl(url);
  if (address.kind === 'sentinel') return 'redis-cli';
  if (address.password !== undefined || address.username !== undefined) return 'redis-cli -u "$REDIS_URL"';
  const database = address.database === 0 ? '' : ` -n ${address.database}`;
  if (address.kind === 'socket') return `redis-cli -s '${address.path.replaceAll("'", "'\\''")}'${database}`;
  const host = ['127.0.0.1', 'localhost'].includes(address.host) ? '' : ` -h ${address.host}`;
  return `redis-cli${host} -p ${address.port}${address.tls ? ' --tls' : ''}${database}`;
}
