import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A process of the run's own, spoken to in JSON both ways; it ends when the run does, whatever way that ends. */
export class Helper<Order, Report> {
  readonly pid: number;
  readonly ended: Promise<void>;
  #child: ReturnType<typeof fork>;
  #ending = false;

  constructor(file: string, onReport: (report: Report) => void, onCrash: (what: string) => void) {
    const { path, execArgv } = programOf(file);
    const child = fork(path, [], { execArgv, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child = child;
    this.pid = child.pid ?? -1;
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('message', (report) => onReport(report as Report));
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (!this.#ending) onCrash(`${file} ended with ${code ?? signal}\n${errors}`);
        resolve();
      });
    });
  }

  send(order: Order): void {
    if (this.#child.connected) this.#child.send(order as object);
  }

  async end(): Promise<void> {
    this.#ending = true;
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/**
 * The program of a process, and how Node has to be called for it. If TEST_PROCESSES names a folder, it is there as JavaScript: bin/test has built it, because
 * TypeScript costs 0.3 s of a core more at each start, and a run starts some two hundred.
 */
function programOf(file: string): { path: string; execArgv: string[] } {
  const built = process.env.TEST_PROCESSES;
  if (built !== undefined) return { path: join(built, file.replace(/\.ts$/, '.js')), execArgv: [] };
  return { path: fileURLToPath(new URL(file, import.meta.url)), execArgv: ['--import=tsx'] };
}

/** The other side of `Helper`, in the process itself. */
export function listen<Order, Report>(onOrder: (order: Order) => void): (report: Report) => void {
  process.on('message', (order) => onOrder(order as Order));
  process.on('disconnect', () => process.exit(0));
  return (report) => {
    if (process.connected) process.send?.(report as object);
  };
}
