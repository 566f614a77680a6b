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

  /**
   * Copies the examples, and starts the gateway.
   * @param command it ends in `bin/dev`
   * @param beside starts the application meanwhile
   */
  async startGateway(command: string, beside?: () => Promise<unknown>): Promise<void> {
    this.port = await freePort();
    this.gateway = await freePort();
    if (command.includes('REDIS_URL')) {
      const redis = await startRedis();
      this.#stops.push(() => redis.stop());
      this.#redis = redis.port;
    }
    this.line = await startRelay({ targetPort: this.gateway });
    this.#stops.push(() => this.line!.stop());
    cpSync(join(ROOT, 'examples'), join(this.folder, 'examples'), { recursive: true });
    this.#placeFiles();
    await Promise.all([this.#serve(variablesOf(this.placed(command))), beside?.()]);
  }

  /** Starts what goes on until it is stopped. @param programs others in place of those that the page names */
  start(command: string, programs: Record<string, string> = {}): Child {
    const lines = this.placed(command).split('\n');
    const last = lines.pop()!.replace(/\bpython3\b/, (name) => programs[name] ?? name);
    const text = [...lines.filter((line) => line !== 'npm install'), `exec env ${last}`].join('\n');
    const child = new Child('bash', ['-euc', text], { cwd: this.folder, env: process.env });
    this.#stops.push(() => child.end());
    return child;
  }

  /** Waits until the application answers. */
  async listening(child: Child): Promise<void> {
    const isListening = async () => (await fetch(this.address).catch(() => undefined)) !== undefined;
    await eventually(isListening, PATIENCE).catch(() => Promise.reject(new Error(child.output())));
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

  async #serve(variables: Record<string, string>): Promise<void> {
    const own = { PORT: String(this.gateway), HOST: '127.0.0.1', SISYPHUS_DRAIN: '0s', SISYPHUS_LOG_LEVEL: 'warn' };
    const collections = { SISYPHUS_COLLECTIONS: /SISYPHUS_COLLECTIONS='(.*)'/.exec(read('bin/dev'))![1]! };
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...own, ...collections, ...variables };
    const child = new Child(BIN, ['serve', '--demo'], { env });
    this.#stops.push(() => child.end());
    const isReady = () => child.stdout.includes('Ctrl-C');
    await eventually(isReady, PATIENCE).catch(() => Promise.reject(new Error(child.output())));
    this.printed = child.stdout;
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
