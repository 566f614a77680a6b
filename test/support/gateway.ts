import { fileURLToPath } from 'node:url';
import { Child, type Exit } from './child.ts';
import { within } from './wait.ts';

/** Another build in its place: a changed copy, to see whether a test finds the change. */
const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));
/** What must never be in the output: errors that nobody held, listeners that pile up. */
const CRASH = /unhandled.?rejection|uncaught.?exception|MaxListenersExceeded/i;
/** A warning of Node's says where it comes from. */
const TRACE = '--trace-warnings';

export type LogLine = Record<string, unknown>;

export interface GatewayStatus {
  streams: number;
  users: number;
  channels: number;
  subscriptions: number;
}

export interface Gateway {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Everything it logged, parsed. */
  readonly logs: LogLine[];
  readonly exited: Promise<Exit>;
  /** Its standard output as it is. */
  output(): string;
  /** Ends it, and fails when it had ended by itself, crashed on the way, or does not end. */
  stop(): Promise<void>;
  /** From here on the end of the process is expected. */
  kill(signal: NodeJS.Signals): void;
  waitForLog(matches: (line: LogLine) => boolean, deadlineMs?: number): Promise<LogLine>;
  status(): Promise<GatewayStatus & LogLine>;
}

/**
 * `bin/sisyphus serve` on a free port, with these variables and nothing else of this process's environment.
 * @param bin the program of another version
 * @param args what stands behind `serve`
 */
export async function startGateway(env: Record<string, string> = {}, bin = BIN, args: string[] = []): Promise<Gateway> {
  const inherited = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TMPDIR: process.env.TMPDIR };
  const own = { PORT: '0', HOST: '127.0.0.1', SISYPHUS_DRAIN: '1s', SISYPHUS_LOG_LEVEL: 'info', NODE_OPTIONS: TRACE };
  const gateway = new Process(new Child(bin, ['serve', ...args], { env: { ...inherited, ...own, ...env } }));
  await gateway.listening();
  return gateway;
}

class Process implements Gateway {
  url = '';
  port = 0;
  readonly pid: number;
  readonly logs: LogLine[] = [];
  readonly exited: Promise<Exit>;
  #child: Child;
  #endExpected = false;
  #unfinished = '';
  #watchers = new Set<() => void>();

  constructor(child: Child) {
    this.#child = child;
    this.pid = child.pid;
    this.exited = child.exited;
    child.onOutput((text) => this.#read(text));
    void child.exited.then(() => this.#wake());
  }

  async listening(): Promise<void> {
    try {
      const line = await this.waitForLog(({ event }) => event === 'listening', 15_000);
      this.port = Number(line.port);
      this.url = `http://127.0.0.1:${this.port}`;
    } catch (error) {
      this.#child.kill('SIGKILL');
      await this.#child.exited;
      throw error;
    }
  }

  output(): string {
    return this.#child.stdout;
  }

  waitForLog(matches: (line: LogLine) => boolean, deadlineMs = 5_000): Promise<LogLine> {
    let seen = 0;
    const { promise, resolve, reject } = withResolvers<LogLine>();
    const look = (): void => {
      // The first one counts: what settles later changes nothing.
      for (; seen < this.logs.length; seen++) if (matches(this.logs[seen]!)) resolve(this.logs[seen]!);
      if (this.#child.exit) reject(new Error(`the gateway ended: ${JSON.stringify(this.#child.exit)}`));
    };
    this.#watchers.add(look);
    look();
    return within(promise, deadlineMs, 'the gateway to log what was waited for')
      .catch((error: Error) => {
        throw new Error(`${error.message}\n${this.#child.output()}`);
      })
      .finally(() => this.#watchers.delete(look));
  }

  async status(): Promise<GatewayStatus & LogLine> {
    const response = await fetch(`${this.url}/status`, { signal: AbortSignal.timeout(5_000) });
    return (await response.json()) as GatewayStatus & LogLine;
  }

  kill(signal: NodeJS.Signals): void {
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') this.#endExpected = true;
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    const early = this.#endExpected ? undefined : this.#child.exit;
    this.#child.kill('SIGCONT'); // a stopped process does not hear anything else
    const exit = await this.#child.end('SIGTERM', 10_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#child.output()}`);
    });
    if (early) throw new Error(`the gateway ended by itself: ${JSON.stringify(early)}\n${this.#child.output()}`);
    if (CRASH.test(this.#child.stdout) || CRASH.test(this.#child.stderr)) {
      throw new Error(`an error that nobody held, or a leak\n${this.#child.output()}`);
    }
    if (!this.#endExpected && exit.code !== 0) {
      throw new Error(`SIGTERM ended it with ${JSON.stringify(exit)} instead of 0\n${this.#child.output()}`);
    }
  }

  #read(text: string): void {
    const lines = (this.#unfinished + text).split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.logs.push(parse(line));
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#watchers]) look();
  }
}

function parse(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { text: line }; // lines for people, such as the redis-cli line of a private Redis
  }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {}); // `within` holds it, or the deadline has passed
  return { promise, resolve, reject };
}
