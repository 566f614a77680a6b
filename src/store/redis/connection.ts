import { once } from 'node:events';
import { Redis, type RedisOptions } from 'ioredis';
import type { RedisTls } from '../../config/redis-certificates.ts';
import { parseRedisUrl } from '../../config/redis-url.ts';
import { COMMAND, within } from '../../patience.ts';
import { ClosedAtOnce } from './closed-at-once.ts';
import { optionsOf, safe } from './connection-options.ts';
import { Pace } from './pace.ts';
import { bytesRead } from './progress.ts';
import {
  isAccessRefusal,
  isConnectTimeout,
  isReadOnly,
  isReply,
  isTimeout,
  isUnknownInfo,
  isWithoutSentinel,
  UnfitError,
} from './redis-error.ts';
import { SentinelTls } from './sentinel-tls.ts';
import type { Standing } from './standing.ts';
import { type RedisTarget, tlsOf, urlOf } from './target.ts';
import { toTlsError } from './tls-error.ts';

/** A server that does not speak TLS waits for the rest of a command, and answers nothing. */
const NO_TLS_ANSWER = `no TLS connection within ${COMMAND / 1000} s (ETIMEDOUT): expected a Redis that speaks TLS on this port`;

/**
 * One connection to Redis, not opened yet, by `redis://`, `rediss://`, `redis+unix://`, a socket's path,
 * `redis+sentinel://[user:password@]host:port,host:port/service[/db]`, or `rediss+sentinel://…`.
 *
 * The driver's own recovery is off, because it is not safe: it subscribes again in one command, so that one denied channel
 * makes all fail, and it sends a command twice if a reply was lost. The callers do both, because they know what is safe.
 */
export function createConnection(target: RedisTarget, name: string, standing?: Standing): Redis {
  const pace = new Pace();
  const connecting = optionsOf(target);
  const { host, port = 6379, path, tls, sentinels } = connecting;
  const closed = new ClosedAtOnce(tls || sentinels ? undefined : path ? { path } : { host, port });
  const watch = tls && sentinels && new SentinelTls(sentinels, safe(tlsOf(target)), tlsOf(target));
  let failure: Error | undefined;
  let leaving = false;
  const options: RedisOptions = {
    ...connecting,
    connectionName: `sisyphus:${name}`,
    protocol: 3,
    lazyConnect: true,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND,
    connectTimeout: COMMAND,
    // The check sends INFO. If the user may not run it, the driver writes that to standard error, each time.
    enableReadyCheck: name !== 'probe',
    // CLIENT SETINFO is not needed, and Redis 7.0, which does not know it, loads no ACL file that allows it.
    disableClientInfo: true,
    keepAlive: 10_000,
    retryStrategy: () => {
      pace.failed(isReply(closed.reason ?? failure));
      return pace.next();
    },
    sentinelRetryStrategy: (attempt: number) => Math.min(50 * attempt, 1000),
    // A dead connection is not waited for: the driver's default is 2 s.
    disconnectTimeout: 50,
    // A server that replies READONLY is no longer the master: reconnect, because the new master may then be found. Connections
    // for subscriptions stay until commands are accepted elsewhere, so that they go on receiving messages. At most once for each
    // connection: the driver would close it for each reply of a batch.
    reconnectOnError: (error: Error) => {
      if (leaving || !isReadOnly(error)) return false;
      const isElsewhere = standing?.isMasterElsewhere(name) ?? false;
      if ((name === 'commands' || isElsewhere) && pace.mayLeave()) leaving = true;
      return leaving;
    },
  };
  const redis = new Redis({ ...options, replyMapping: 'legacy' });
  redis.on('connect', () => closed.made());
  redis.on('close', () => {
    leaving = false;
    if (!isReply(failure)) closed.ended();
    standing?.lost(name, closed.reason ?? failure ?? new Error('the connection has ended'));
    failure = undefined;
  });
  redis.on('error', (error: Error) => {
    failure = (connecting.tls && toTlsError(error, tlsOf(target))) || error;
    if (sentinels && isWithoutSentinel(error)) {
      watch?.look();
      failure = watch?.reason ?? error;
      // The driver goes on trying, and reports no end of a connection.
      standing?.lost(name, failure);
    }
    if (connecting.tls && isConnectTimeout(error)) error.message = NO_TLS_ANSWER;
    // For listeners that are called after this one.
    if (failure instanceof UnfitError) error.message = `${failure.message} (${failure.detail})`;
    // The driver sends INFO before it calls a connection ready; if INFO was renamed, no connection would ever be.
    if (isUnknownInfo(error)) redis.options.enableReadyCheck = false;
    if (isSelect(error)) refuseDatabase(redis, error);
  });
  redis.on('ready', () => {
    failure = undefined;
    closed.answered();
    pace.reached();
    standing?.made(name);
  });
  return redis;
}

/** Opens the connection; the driver opens it again whenever it is lost. */
export function connect(redis: Redis): void {
  // The `error` event has the reason.
  redis.connect().catch(() => undefined);
}

export function openConnection(target: RedisTarget, name: string, standing?: Standing): Redis {
  const redis = createConnection(target, name, standing);
  connect(redis);
  return redis;
}

/** Uses other certificates from the next time on that this connection is made. The driver reads its options each time. */
export function renewCertificates({ options }: Redis, tls: RedisTls): void {
  for (const own of [options.tls, options.sentinelTLS]) if (own) Object.assign(own, safe(tls));
}

/** The user as which the gateway connects to Redis. */
export function userOf(target: RedisTarget): string {
  return parseRedisUrl(urlOf(target)).username ?? 'default';
}

function isSelect(error: Error & { command?: { name: string } }): boolean {
  return error.command?.name === 'select';
}

const refused = new WeakSet<Error>();

/**
 * Stops the driver if a database cannot be selected: it would go on with database 0. It treats an error thrown here as fatal: it
 * reports the error once more, to every listener, and closes the connection before it is ready.
 */
function refuseDatabase(redis: Redis, error: Error): void {
  if (refused.has(error)) return;
  refused.add(error);
  const expected = isAccessRefusal(error)
    ? `+select in the ACL of user ${redis.options.username}`
    : 'one that this Redis has';
  error.message = `database ${redis.options.db} cannot be selected (${error.message}); expected ${expected}`;
  throw error;
}

const suspects = new WeakSet<Redis>();

/** To be called if a command failed on this connection: if it was not answered in time, the connection may be dead. */
export function suspect(redis: Redis, target: RedisTarget, error: unknown): void {
  if (isTimeout(error)) void cutIfDead(redis, target);
}

/**
 * Closes a connection on which a command was not answered in time, if the connection is dead. Either it is half open, which the
 * driver would not notice for a quarter of an hour: then Redis answers on a new connection, and this one is closed. Or Redis
 * itself stalls: then it answers on no connection, and this one is kept, because messages published meanwhile will arrive on it.
 */
async function cutIfDead(redis: Redis, target: RedisTarget): Promise<void> {
  if (suspects.has(redis)) return;
  suspects.add(redis);
  try {
    while (redis.status === 'ready') {
      const read = bytesRead(redis);
      if (await isAnswered(redis.ping())) return;
      const probe = openConnection(target, 'probe');
      const isReachable = await isAnswered(once(probe, 'ready'));
      probe.disconnect();
      if (!isReachable || (await isAnswered(redis.ping()))) continue;
      // The connection is slow, and not dead: the commands that wait for answers on it would only be sent once more.
      if (bytesRead(redis) > read) continue;
      redis.disconnect(true);
      return;
    }
  } finally {
    suspects.delete(redis);
  }
}

/** Whether the answer arrives within half a second. */
function isAnswered(answer: Promise<unknown>): Promise<boolean> {
  return within(500, answer).catch(() => false);
}

/** Closes the connection for good, even if Redis does not answer. */
export async function closeConnection(redis: Redis): Promise<void> {
  redis.disconnect();
}
