import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { within } from './wait.ts';

const running = new Set<ChildProcess>();

// A test run that dies must not leave servers behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A server process that a test started: its output, its end, and that it does not outlive the test run. */
export class Child {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  exit: Exit | undefined;
  stdout = '';
  stderr = '';
  #process: ChildProcess;

  constructor(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.#process = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const child = this.#process;
    running.add(child);
    this.pid = child.pid ?? -1;
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit): void => {
        running.delete(child);
        this.exit ??= exit;
        resolve(this.exit);
      };
      // `close` and not `exit`: everything it wrote has been read by then.
      child.once('close', (code, signal) => end({ code, signal }));
      child.once('error', (error) => {
        this.stderr += String(error);
        end({ code: -1, signal: null });
      });
    });
  }

  onOutput(listener: (text: string) => void): void {
    this.#process.stdout!.on('data', listener);
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.exit) this.#process.kill(signal);
  }

  /** Asks it to end, and makes it end when it has not within the deadline. Rejects in the second case. */
  async end(signal: NodeJS.Signals = 'SIGTERM', deadlineMs = 5_000): Promise<Exit> {
    this.kill(signal);
    try {
      return await within(this.exited, deadlineMs, `process ${this.pid} to end after ${signal}`);
    } catch (error) {
      this.kill('SIGKILL');
      await this.exited;
      throw error;
    }
  }

  output(): string {
    return `--- stdout (end)\n${this.stdout.slice(-6_000)}\n--- stderr (end)\n${this.stderr.slice(-6_000)}`;
  }
}

/** Where the kernel takes no port by itself (Linux: 32768 and up): so no connection of another test takes it meanwhile. */
const FIRST_PORT = 10_000;
const PORTS = 22_000;

/** A loopback port that was free a moment ago, for servers that cannot be told to take any. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
