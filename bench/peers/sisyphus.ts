import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, stop, until } from '../processes.ts';
import { USERS } from '../publisher.ts';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { channelName, type Peer, type Reader } from './peer.ts';
import { firstLine } from './probe.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Limits above what the scenarios open; everything else is the default, the log too. */
const LIMITS = { SISYPHUS_MAX_STREAMS: '100000', SISYPHUS_MAX_STREAMS_PER_USER: '100000' };

let command: readonly string[] | undefined;

/** Measures another build: `node /elsewhere/dist/cli.js serve`, say. */
export function measureInstead(other: string): void {
  command = other.split(' ');
}

/** Builds, so that what is measured is what the sources say. */
function gatewayCommand(): readonly string[] {
  if (!command) {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    command = [join(ROOT, 'bin', 'sisyphus'), 'serve'];
  }
  return command;
}

async function admit(redis: RedisServer, readers: readonly Reader[]): Promise<void> {
  for (let from = 0; from < readers.length; from += 1000) {
    const pipeline = redis.client.pipeline();
    for (const { user, channels } of readers.slice(from, from + 1000)) {
      const listed = channels.filter((channel) => channel < USERS).map(channelName);
      if (listed.length > 0) pipeline.sadd(`user:${user}:channels`, ...listed);
    }
    await pipeline.exec();
  }
}

async function listening(log: string, ended: () => boolean): Promise<void> {
  await until('the gateway listens', 20, () => {
    const lines = existsSync(log) ? readFileSync(log, 'utf8') : '';
    if (ended()) throw new Error(`the gateway ended at once:\n${lines}`);
    return lines.includes('"event":"listening"') ? true : undefined;
  });
}

export const sisyphus: Peer = {
  name: 'sisyphus',
  probe() {
    if (!command && !existsSync(join(ROOT, 'bin', 'sisyphus'))) return { missing: 'bin/sisyphus' };
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const commit = firstLine('git', '-C', ROOT, 'rev-parse', '--short', 'HEAD') ?? 'unknown';
    return { version: `${version} (${commit}), Node ${process.version}` };
  },
  async start(env = {}) {
    const program = gatewayCommand();
    const redis = await startRedis();
    const folder = temporaryFolder('gateway');
    const log = join(folder, 'log');
    const port = await freePort();
    const started = start(program, {
      log,
      cwd: folder,
      env: { ...process.env, PORT: String(port), REDIS_URL: `redis://127.0.0.1:${redis.port}`, ...LIMITS, ...env },
    });
    await listening(log, () => started.child.exitCode !== null);
    return {
      port,
      readyOn: 'ok',
      pids: [started.pid],
      redis,
      publish: { port: redis.port, form: 'fcall', connections: 1 },
      publishPlain: { port: redis.port, form: 'publish', connections: 1 },
      poll: { rt: (channel) => `/rt?c=${channel}`, stream: (channel) => `/?c=${channel}&poll` },
      path: ({ user }) => `/?user=${user}`,
      admit: (readers) => admit(redis, readers),
      async close() {
        await stop(started);
        await redis.close();
      },
    };
  },
};
