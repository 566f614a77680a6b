import { createInterface } from 'node:readline';
import { type Started, start, stop } from './processes.ts';

/** A program that answers each line on its standard input with one line of JSON. */
export class LineProcess {
  readonly started: Started;
  readonly #lines: AsyncIterator<string>;
  #complaint = '';

  constructor(command: readonly string[]) {
    this.started = start(command, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdout, stderr } = this.started.child;
    this.#lines = createInterface({ input: stdout! })[Symbol.asyncIterator]();
    stderr!.on('data', (data: Buffer) => {
      this.#complaint += data.toString();
    });
    // A write to a program that has just died; the answer that does not come tells why.
    this.started.child.stdin!.on('error', () => undefined);
  }

  /** The next line of its output, parsed; throws what it complained of when it ended instead. */
  async next<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done) throw new Error(`the load program ended: ${this.#complaint.trim() || 'without a word'}`);
    return JSON.parse(line.value) as T;
  }

  async ask<T>(command: string): Promise<T> {
    this.started.child.stdin!.write(`${command}\n`);
    return this.next<T>();
  }

  async close(): Promise<void> {
    await stop(this.started);
  }
}
