import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { isatty } from 'node:tty';

/** The bound on the queue (bytes): enough for the lines of 40,000 streams that end at the same moment. */
const MAX_QUEUED = 8 * 1024 * 1024;
/** A write of up to this many bytes to a pipe is atomic (POSIX, PIPE_BUF), so lines of standard error do not end up inside others. */
const BATCH = 4096;
/** The largest write by the thread pool (bytes). */
const POOL_BATCH = 64 * 1024;
/** The most batches in one turn of the event loop. */
const MAX_BATCHES = 16;
/** The pause before another attempt (ms): doubled from the first to the longest while nothing can be written. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1000;
/** How long the process waits for its outputs when it ends (ms). */
const LAST_PATIENCE = 1000;
/** How long one output may block the process when it ends (ms). There are two outputs, which share the second. */
const SYNC_PATIENCE = LAST_PATIENCE / 2;

/** Lines that were dropped, because nothing could be written and the queue was full. */
export interface Dropped {
  lines: number;
  /** When the first of them was dropped (ms since 1970). */
  since: number;
  /** The code of the error: `EAGAIN` if nobody read, `ENOSPC` if the disk was full, … */
  reason: string;
}

/**
 * Standard output or standard error of a server. A write never blocks and never throws, and no failure is final: lines that cannot be
 * written wait in a bounded queue, and writing them is tried again. Once the queue is full, further lines are dropped and counted until
 * it is empty again; then `onDropped` is called with their number.
 *
 * A pipe or a terminal is opened once more, non-blocking, and written to directly, so that even in a crash it is known how much has been
 * written. If it cannot be opened, and for files, Node's thread pool writes, a batch at a time, because neither a slow disk nor a
 * descriptor that has become blocking may stop the event loop.
 */
export class Output {
  onDropped: (dropped: Dropped) => void;
  readonly #fd: number;
  /** Set if the descriptor may block: while the gateway runs, only the thread pool writes to it. */
  readonly #shared: 1 | 2 | undefined;
  readonly #queue: Buffer[] = [];
  #queued = 0;
  #dropped: Dropped | undefined;
  #lost = 0;
  #problem = 'EAGAIN';
  #turn: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  /** When the present write by the thread pool began, by `performance.now` (ms). */
  #inPool: number | undefined;
  #patience = SYNC_PATIENCE;

  constructor(fd: 1 | 2) {
    const own = openAgain(fd);
    this.#fd = own ?? fd;
    this.#shared = own === undefined ? fd : undefined;
    if (this.#shared) unblock(fd);
    this.onDropped = ({ lines, since, reason }) => {
      this.write(`sisyphus: ${lines} lines were dropped since ${new Date(since).toISOString()} (${reason})\n`);
    };
  }

  /** Lines dropped since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether a write by the thread pool has taken so long that it may never end. `process.exit` would wait for it. */
  get isStuck(): boolean {
    return this.#inPool !== undefined && performance.now() - this.#inPool > SYNC_PATIENCE;
  }

  /** Queues text to be written. @param text whole lines */
  write(text: string): void {
    const bytes = this.#dropped ? undefined : Buffer.from(text);
    if (bytes === undefined || this.#queued + bytes.length > MAX_QUEUED) {
      const lines = text.split('\n').length - 1;
      this.#dropped ??= { lines: 0, since: Date.now(), reason: this.#problem };
      this.#dropped.lines += lines;
      this.#lost += lines;
    } else if (bytes.length > 0) {
      this.#queue.push(bytes);
      this.#queued += bytes.length;
    }
    this.#schedule();
  }

  /** Settles when everything is written, or when writing fails with another error than EAGAIN; after a second at the latest. */
  async end(): Promise<void> {
    const end = performance.now() + LAST_PATIENCE;
    while (this.#queued > 0 || this.#dropped) {
      const isHopeless = this.#inPool === undefined && this.#problem !== 'EAGAIN';
      if (isHopeless || performance.now() > end) {
        this.#patience = 0;
        return;
      }
      await wait(5);
    }
  }

  /** Writes the rest of the queue without the event loop, for a crash or the end of the process. Blocks for half a second at most. */
  flushSync(): void {
    if (this.#shared) unblock(this.#shared);
    while (!this.isStuck && (this.#queue.length > 0 || this.#announce())) {
      if (this.#writeNow()) continue;
      if (this.#problem !== 'EAGAIN' || this.#patience <= 0) return;
      this.#patience -= sleep(5);
    }
  }

  #schedule(): void {
    if (this.#turn || this.#retry || this.#inPool !== undefined) return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#shared && this.#queue.length > 0) {
      this.#writeInPool();
      return;
    }
    for (let i = 0; i < MAX_BATCHES && this.#queue.length > 0; i++) {
      if (!this.#writeNow()) {
        this.#tryLater();
        return;
      }
    }
    if (this.#queue.length > 0) this.#schedule();
    else this.#announce();
  }

  #writeInPool(): void {
    const batch = this.#take();
    this.#inPool = performance.now();
    write(this.#fd, batch, (error, written) => {
      this.#inPool = undefined;
      this.#settle(batch, error ?? undefined, written);
      if (error) this.#tryLater();
      else this.#schedule();
    });
  }

  /** @returns whether the write succeeded */
  #writeNow(): boolean {
    const batch = this.#take();
    try {
      this.#settle(batch, undefined, writeSync(this.#fd, batch));
      return true;
    } catch (error) {
      this.#settle(batch, error, 0);
      return false;
    }
  }

  /** Takes lines from the queue: as many as fit into a batch, and at least one. */
  #take(): Buffer {
    const most = this.#shared ? POOL_BATCH : BATCH;
    let count = 0;
    let length = 0;
    for (const line of this.#queue) {
      if (count > 0 && length + line.length > most) break;
      count++;
      length += line.length;
    }
    const lines = this.#queue.splice(0, count);
    return count === 1 ? lines[0]! : Buffer.concat(lines, length);
  }

  /** Returns the unwritten rest of a batch to the front of the queue, so that a line that was written in part is continued first. */
  #settle(batch: Buffer, error: unknown, written: number): void {
    if (written < batch.length) this.#queue.unshift(batch.subarray(written));
    this.#queued -= written;
    if (error === undefined) this.#pause = FIRST_PAUSE;
    this.#problem = error === undefined ? 'EAGAIN' : ((error as NodeJS.ErrnoException).code ?? String(error));
  }

  #tryLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, this.#pause).unref();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  /** Reports dropped lines once the queue is empty. @returns whether a line was queued for it */
  #announce(): boolean {
    const dropped = this.#dropped;
    if (!dropped || this.#queued > 0) return false;
    this.#dropped = undefined;
    this.onDropped(dropped);
    return this.#queue.length > 0;
  }
}

/** At each end of the process, writes the rest of the outputs, and makes sure that the process can end. */
export function writeAtExit(outputs: readonly Output[]): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.on('exit', () => {
    for (const output of outputs) output.flushSync();
    // `process.exit` waits for the thread pool, which may be waiting for a disk that does not answer.
    if (outputs.some((output) => output.isStuck)) process.kill(process.pid, 'SIGKILL');
    // Node restores the settings of a terminal, and aborts if the terminal has gone away. It skips closed descriptors.
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  });
}

/**
 * Opens the same pipe or terminal once more. All processes that inherited a descriptor share whether it blocks, and each of them may
 * change that: Node does, whenever one of its processes starts or ends.
 *
 * @returns `undefined` for a file or a socket, and if it cannot be opened
 */
function openAgain(fd: 1 | 2): number | undefined {
  if (!isatty(fd) && !fstatSync(fd).isFIFO()) return undefined;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/dev/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // The pipe or terminal belongs to another user, as in a container or after `su`; or there is no /dev/fd.
    return undefined;
  }
}

/** Makes a pipe or socket non-blocking, as Node does when it creates a stream; other processes that share it may undo that. */
function unblock(fd: 1 | 2): void {
  const stats = fstatSync(fd);
  if (stats.isFIFO() || stats.isSocket()) new Socket({ fd, readable: false, writable: true }).unref();
}

/** Blocks this thread for `ms` milliseconds. @returns how long it really was (ms) */
function sleep(ms: number): number {
  const begun = performance.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return performance.now() - begun;
}
