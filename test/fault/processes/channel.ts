import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the run's own, spoken to in JSON both ways; it ends when the run does, whatever way that ends. */
export class Helper<Order, Report> {
  readonly pid: number;
  readonly ended: Promise<void>;
  #child: ReturnType<typeof fork>;
  #ending = false;

  constructor(file: string, onReport: (report: Report) => void, onCrash: (what: string) => void) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = fork(path, [], { execArgv: ['--import=tsx'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
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

/** The other side of `Helper`, in the process itself. */
export function listen<Order, Report>(onOrder: (order: Order) => void): (report: Report) => void {
  process.on('message', (order) => onOrder(order as Order));
  process.on('disconnect', () => process.exit(0));
  return (report) => {
    if (process.connected) process.send?.(report as object);
  };
}
