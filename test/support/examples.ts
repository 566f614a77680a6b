import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from './child.ts';
import { blocksOf, ROOT, read } from './documents.ts';
import { startRedis } from './redis.ts';
import { type Relay, startRelay } from './relay.ts';
import { eventually } from './wait.ts';

const BIN = process.env.TEST_GATEWAY ?? join(ROOT, 'bin/sisyphus');
/** How long a server may take to start (ms). */
const PATIENCE = 20_000;

/** The blocks of commands in the README of an example: the gateway, the application, and what else there is to try. */
export function commandsOf(page: string): string[] {
  return blocksOf(read(page)).flatMap(({ language, text }) => (language === 'sh' ? [text.trim()] : []));
}

/** The assignments in front of a command: `A=1 B='2 3' program`. */
function variablesOf(command: string): Record<string, string> {
  const found = command.matchAll(/\b([A-Z_]+)=('[^']*'|\S+)/g);
  return Object.fromEntries([...found].map(([, name, value]) => [name!, value!.replaceAll("'", '')]));
}

/** An example at work, by the commands of its page, in a copy where the ports are those of the test. */
export class Example {
  /** Of the application. */
  port = 0;
  /** Of the gateway. */
  gateway = 0;
  /** What the gateway has printed at its start. */
  printed = '';
  /** Between pages and gateway. */
  line: Relay | undefined;
  readonly folder = mkdtempSync(join(tmpdir(), 'sisyphus-example-'));
  #redis = 0;
  readonly #stops: (() => Promise<unknown>)[] = [];

  get address(): string {
    return `http://localhost:${this.port}`;
  }

  /** Starts the gateway, and copies the examples. @param command it ends in `bin/dev` */
  async startGateway(command: string): Promise<void> {
    this.port = await freePort();
    if (command.includes('REDIS_URL')) {
      const redis = await startRedis();
      this.#stops.push(() => redis.stop());
      this.#redis = redis.port;
    }
    const own = { PORT: '0', HOST: '127.0.0.1', SISYPHUS_DRAIN: '0s', SISYPHUS_LOG_LEVEL: 'warn' };
    const collections = { SISYPHUS_COLLECTIONS: /SISYPHUS_COLLECTIONS='(.*)'/.exec(read('bin/dev'))![1]! };
    const variables = variablesOf(this.placed(command));
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...own, ...collections, ...variables };
    const child = new Child(BIN, ['serve', '--demo'], { env });
    this.#stops.push(() => child.end());
    const isReady = () => child.stdout.includes('Ctrl-C');
    await eventually(isReady, PATIENCE).catch(() => Promise.reject(new Error(child.output())));
    this.printed = child.stdout;
    this.gateway = Number(/localhost:(\d+)/.exec(child.stdout)![1]);
    this.line = await startRelay({ targetPort: this.gateway });
    this.#stops.push(() => this.line!.stop());
    cpSync(join(ROOT, 'examples'), join(this.folder, 'examples'), { recursive: true });
    this.#placeFiles();
  }

  /** Starts what goes on until it is stopped. @param programs others in place of those that the page names */
  async start(command: string, programs: Record<string, string> = {}): Promise<Child> {
    const lines = this.placed(command).split('\n');
    const last = lines.pop()!.replace(/\b(python3)\b/, (name) => programs[name] ?? name);
    const child = this.run([...lines.filter((line) => line !== 'npm install'), `exec env ${last}`].join('\n'));
    this.#stops.push(() => child.end());
    return child;
  }

  /** Waits until the application answers. */
  async listening(child: Child): Promise<void> {
    const isListening = async () => (await fetch(this.address).catch(() => undefined)) !== undefined;
    await eventually(isListening, PATIENCE).catch(() => Promise.reject(new Error(child.output())));
  }

  /** A command in the copy of the checkout, with the ports of the test. */
  run(command: string): Child {
    return new Child('bash', ['-euc', this.placed(command)], { cwd: this.folder, env: process.env });
  }

  /** The text with the ports of the test in place of those of the page. */
  placed(text: string, gateway = this.gateway): string {
    return text
      .replace(/\b3000\b/g, String(this.port))
      .replace(/\b3001\b/g, String(gateway))
      .replace(/\b6379\b/g, String(this.#redis));
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
    rmSync(this.folder, { recursive: true });
  }

  #placeFiles(): void {
    const names = readdirSync(join(this.folder, 'examples'), { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((name) => /\.\w+$/.test(name) && !name.includes('node_modules'))) {
      const file = join(this.folder, 'examples', name);
      const gateway = name.endsWith('.html') ? this.line!.port : this.gateway;
      writeFileSync(file, this.placed(readFileSync(file, 'utf8'), gateway));
    }
  }
}
