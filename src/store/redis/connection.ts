import { once } from 'node:events';
import { isIP } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { COMMAND, within } from '../../patience.ts';
import { parseRedisUrl } from '../../redis-url.ts';
import { ClosedAtOnce } from './closed-at-once.ts';
import { Pace } from './pace.ts';
import { bytesRead } from './progress.ts';
import { isReadOnly, isReply, isTimeout, isUnknownInfo } from './redis-error.ts';
import type { Standing } from './standing.ts';

/**
 * One connection to Redis, not opened yet, by `redis://`, `rediss://`, `redis+unix://`, a socket's path, or
 * `redis+sentinel://[user:password@]host:port,host:port/service[/db]`.
 *
 * The driver's own recovery is off, because it loses: it subscribes again in one command, so that one denied channel
 * silences all, and sends a command twice when a reply was lost. Both are done by those who know what it means.
 */
export function createConnection(url: string, name: string, standing?: Standing): Redis {
  const pace = new Pace();
  const connecting = optionsOf(url);
  const { host, port = 6379, path, tls, sentinels } = connecting;
  const closed = new ClosedAtOnce(tls || sentinels ? undefined : path ? { path } : { host, port });
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
    // It asks for INFO, which the user may not be allowed: then the driver says so on standard error, each time.
    enableReadyCheck: name !== 'probe',
    keepAlive: 10_000,
    retryStrategy: () => {
      pace.failed(isReply(closed.reason ?? failure));
      return pace.next();
    },
    sentinelRetryStrategy: (attempt: number) => Math.min(50 * attempt, 1000),
    // A dead connection is not waited for: 2 s unless told otherwise.
    disconnectTimeout: 50,
    // The master that answers this is one no longer: ask again, where the new one may be found. Who listens stays until
    // commands are accepted elsewhere: what is published goes on being heard. Once a connection: the driver would close it
    // for each answer of a batch.
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
    failure = error;
    // The driver asks for INFO before it calls a connection ready; where that was renamed, none would ever be.
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

/** Opens it, now and whenever it is lost. */
export function connect(redis: Redis): void {
  // Whoever listens for `error` is told why.
  redis.connect().catch(() => undefined);
}

export function openConnection(url: string, name: string, standing?: Standing): Redis {
  const redis = createConnection(url, name, standing);
  connect(redis);
  return redis;
}

/** As whom the gateway comes to Redis. */
export function userOf(url: string): string {
  return parseRedisUrl(url).username ?? 'default';
}

function isSelect(error: Error & { command?: { name: string } }): boolean {
  return error.command?.name === 'select';
}

const refused = new WeakSet<Error>();

/**
 * The driver would go on, with database 0. An error that is thrown here it takes for a fatal one: it reports it once more, to every
 * listener, and closes the connection before it is ready.
 */
function refuseDatabase(redis: Redis, error: Error): void {
  if (refused.has(error)) return;
  refused.add(error);
  error.message = `database ${redis.options.db} cannot be selected (${error.message}); expected one that this Redis has`;
  throw error;
}

function optionsOf(url: string): RedisOptions {
  const address = parseRedisUrl(url);
  const { username, password, database } = address;
  const options = { ...(username && { username }), ...(password && { password }), db: database };
  switch (address.kind) {
    case 'socket':
      return { path: address.path, ...options };
    case 'sentinel':
      return { name: address.name, sentinels: address.sentinels, ...options };
    case 'host': {
      const { host, port, tls } = address;
      // An address is no server name: RFC 6066, section 3.
      return { host, port, ...(tls && { tls: isIP(host) ? {} : { servername: host } }), ...options };
    }
  }
}

const suspects = new WeakSet<Redis>();

/** A command failed on this connection: where it was not answered in time, the connection may be dead. */
export function suspect(redis: Redis, url: string, error: unknown): void {
  if (isTimeout(error)) void cutIfDead(redis, url);
}

/**
 * A command on this connection was not answered in time. Either it is half open, which the driver would not notice for a
 * quarter of an hour: then a new connection is answered, and this one is cut. Or Redis itself stands still: then nobody is
 * answered, and this connection is kept, on which it will go on with what was published meanwhile.
 */
async function cutIfDead(redis: Redis, url: string): Promise<void> {
  if (suspects.has(redis)) return;
  suspects.add(redis);
  try {
    while (redis.status === 'ready') {
      const read = bytesRead(redis);
      if (await isAnswered(redis.ping())) return;
      const probe = openConnection(url, 'probe');
      const isReachable = await isAnswered(once(probe, 'ready'));
      probe.disconnect();
      if (!isReachable || (await isAnswered(redis.ping()))) continue;
      // Slow, and not dead: what waits for an answer on it would only be asked for once more.
      if (bytesRead(redis) > read) continue;
      redis.disconnect(true);
      return;
    }
  } finally {
    suspects.delete(redis);
  }
}

/** Within half a second. */
function isAnswered(answer: Promise<unknown>): Promise<boolean> {
  return within(500, answer).catch(() => false);
}

/** Closes for good, also where Redis does not answer. */
export async function closeConnection(redis: Redis): Promise<void> {
  redis.disconnect();
}
