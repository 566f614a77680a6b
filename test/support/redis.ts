import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Child, freePort } from './child.ts';
import { eventually } from './wait.ts';

/** Another server in its place, such as a later Redis, or Valkey: `npm run test:servers`. */
export const SERVER = process.env.SISYPHUS_TEST_REDIS_SERVER ?? 'redis-server';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** A new connection; ended by `stop`. */
  client(options?: ClientOptions): Redis;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Starts again on the same port and folder after a `kill`. */
  restart(): Promise<void>;
}

export interface ClientOptions {
  connectionName?: string;
  db?: number;
  username?: string;
  password?: string;
  /** Without it, INFO is not asked for. */
  enableReadyCheck?: boolean;
  /** With it the driver sends no CLIENT SETINFO. */
  disableClientInfo?: boolean;
}

interface Options {
  args?: string[];
  /** Same port and folder as before, for a restart; otherwise free ones. */
  port?: number;
}

/** A real redis-server on a loopback port of its own, with a temporary folder of its own; keeps nothing on disk unless told to. */
export async function startRedis(options: Options = {}): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'sisyphus-redis-'));
  // Between finding a free port and Redis taking it, another process may take it.
  for (let attempt = 1; ; attempt++) {
    const server = new Server(dir, options.port ?? (await freePort()), options.args ?? []);
    try {
      await server.start();
      return server;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

/** Where the user `default` is off, the answer is an error. */
function orOnlyForUsers(error: Error): string {
  if (error.message.startsWith('NOAUTH')) return 'PONG';
  throw error;
}

class Server implements RedisServer {
  readonly url: string;
  readonly port: number;
  #dir: string;
  #args: string[];
  #child: Child | undefined;
  #clients = new Set<Redis>();

  constructor(dir: string, port: number, args: string[]) {
    this.#dir = dir;
    this.port = port;
    this.#args = args;
    this.url = `redis://127.0.0.1:${port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  async start(): Promise<void> {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#dir, '--daemonize', 'no'];
    const quiet = ['--save', '', '--appendonly', 'no', '--loglevel', 'warning'];
    const child = new Child(SERVER, [...fixed, ...quiet, ...this.#args]);
    this.#child = child;
    const probe = new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      enableReadyCheck: false,
      retryStrategy: () => 20,
    });
    probe.on('error', () => {}); // refused until it listens
    try {
      await eventually(async () => {
        if (child.exit) return true;
        // A restart loads its data first, and answers -LOADING.
        return (await probe.ping().catch(orOnlyForUsers)) === 'PONG';
      }, 10_000);
    } finally {
      probe.disconnect();
    }
    if (child.exit) throw new Error(`${SERVER} did not start\n${child.output()}`);
  }

  client(options: ClientOptions = {}): Redis {
    const client = new Redis(this.port, '127.0.0.1', { retryStrategy: () => 50, ...options });
    client.on('error', () => {}); // the commands that fail for it reject on their own
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    return client;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async restart(): Promise<void> {
    await this.#child?.exited;
    await this.start();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    this.kill('SIGCONT'); // a stopped process does not hear anything else
    this.kill('SIGKILL');
    await this.#child?.exited;
    await rm(this.#dir, { recursive: true, force: true });
  }
}
