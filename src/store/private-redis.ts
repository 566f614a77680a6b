import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { within } from '../patience.ts';

export interface PrivateRedis {
  url: string;
  port: number;
  /** May be called twice. */
  close(): Promise<void>;
}

const NO_SERVER = 127;
const START_TIMEOUT = 10_000;
const STOP_TIMEOUT = 3_000;

/**
 * A shell script that runs the server, and ends it when standard input ends: the gateway has closed it, or was killed by a
 * signal that it cannot handle. Functions need Redis 7 or Valkey 8.
 */
const WATCHDOG = `
dir=$1; shift
for name in redis-server valkey-server; do
  major=$("$name" --version 2>/dev/null | sed -n 's/.* v=\\([0-9]*\\).*/\\1/p')
  [ "\${major:-0}" -ge 7 ] && server=$name && break
done
[ -n "$server" ] || { rm -rf "$dir"; exit ${NO_SERVER}; }
exec 3<&0
"$server" "$@" </dev/null 3<&- &
pid=$!
{ cat <&3 >/dev/null; kill "$pid" 2>/dev/null; } &
exec 3<&- </dev/null
wait "$pid"; code=$?
rm -rf "$dir"
exit "$code"
`;

/**
 * Starts a Redis for this gateway alone: on a free loopback port, in a temporary folder, with nothing written to disk.
 *
 * @returns `undefined` if neither redis-server nor valkey-server is on the PATH
 * @throws Error if one is, but does not start within 10 s, in three attempts
 */
export async function startPrivateRedis(): Promise<PrivateRedis | undefined> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const directory = await mkdtemp(join(tmpdir(), 'sisyphus-redis-'));
    const child = spawn('sh', ['-c', WATCHDOG, 'sh', directory, ...settings(port, directory)], {
      // A process group of its own: Ctrl-C in a terminal must not end Redis before the streams are drained.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Without a shell there is no watchdog, and nothing would end the server: so none is started.
    if (child.pid === undefined) {
      child.on('error', () => {});
      await rm(directory, { recursive: true, force: true });
      return undefined;
    }
    child.stdin.on('error', () => {
      // The watchdog has ended already; the `exit` event reports that.
    });
    const close = onlyOnce(() => stop(child, directory));
    if (await isUp(child, port)) return { url: `redis://127.0.0.1:${port}`, port, close };
    await close();
    if (child.exitCode === NO_SERVER) return undefined;
    // Try again: another process may have taken the port in between.
    if (attempt === 3) throw new Error(`redis-server does not start on port ${port} (exit code ${child.exitCode})`);
  }
}

function settings(port: number, directory: string): string[] {
  const pairs = { port, bind: '127.0.0.1', dir: directory, save: '', appendonly: 'no', daemonize: 'no', logfile: '' };
  return Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

async function isUp(child: ChildProcess, port: number): Promise<boolean> {
  const deadline = performance.now() + START_TIMEOUT;
  // If the child has ended, it did not get the port: an answer there comes from another server.
  while (child.exitCode === null && child.signalCode === null && performance.now() < deadline) {
    const answered = await ping(port);
    await wait(20);
    if (answered && child.exitCode === null) return true;
  }
  return false;
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 });
    const settle = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.on('connect', () => socket.write('PING\r\n'));
    socket.on('data', (data) => settle(data.toString('latin1').startsWith('+PONG')));
    socket.on('error', () => settle(false));
    socket.on('timeout', () => settle(false));
    socket.on('close', () => settle(false));
  });
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.stdin?.end();
    if (!(await within(STOP_TIMEOUT, exited))) process.kill(-child.pid!, 'SIGKILL');
    await exited;
  }
  child.stdin?.destroy();
  await rm(directory, { recursive: true, force: true });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

function onlyOnce(act: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= act();
    return running;
  };
}
