import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { isatty } from 'node:tty';

/** What may wait to be written, at most (bytes): the lines of 40,000 streams that end in one moment. */
const MAX_QUEUED = 8 * 1024 * 1024;
/** A pipe takes so much as a whole or not at all (POSIX, PIPE_BUF): lines of standard error do not get into others. */
const BATCH = 4096;
const POOL_BATCH = 64 * 1024;
/** Batches in one turn of the event loop. */
const MAX_BATCHES = 16;
/** Between two tries (ms): doubled from the first to the longest while nothing can be written. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1000;
/** How long the process may still wait for its outputs when it ends (ms). */
const LAST_PATIENCE = 1000;
/** The same for one output, if nothing else can run meanwhile: there are two, and they share the second. */
const SYNC_PATIENCE = LAST_PATIENCE / 2;

/** Lines that are gone, because nothing could be written and no more could wait. */
export interface Dropped {
  lines: number;
  /** When the first of them was dropped (ms since 1970). */
  since: number;
  /** `EAGAIN` if nobody read, `ENOSPC` if the disk was full, … */
  reason: string;
}

/**
 * Standard output or standard error of a server: a write never waits, never throws, and never fails for good. Lines that
 * cannot be written wait in a bounded queue, and are tried again. While the queue is full, and until it is empty again,
 * further lines are dropped and counted; then `onDropped` is told how many there were.
 *
 * A pipe or a terminal is opened once more, non-blocking, and written to directly: what has been written is always known,
 * also in a crash. Where that cannot be, and to files, Node's thread pool writes, a batch at a time: neither a slow
 * disk nor a descriptor that has become blocking may stop the event loop.
 */
export class Output {
  onDropped: (dropped: Dropped) => void;
  readonly #fd: number;
  /** Set if the descriptor may block: then only the thread pool writes to it while the gateway runs. */
  readonly #shared: 1 | 2 | undefined;
  readonly #queue: Buffer[] = [];
  #queued = 0;
  #dropped: Dropped | undefined;
  #lost = 0;
  #problem = 'EAGAIN';
  #turn: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  /** Since when the thread pool has been writing (by `performance.now`). */
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

  /** Whether the thread pool has been writing for so long that it may never end. `process.exit` would wait for it. */
  get isStuck(): boolean {
    return this.#inPool !== undefined && performance.now() - this.#inPool > SYNC_PATIENCE;
  }

  /** Takes whole lines. */
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

  /** Settles when everything is written, or there is no hope of it; within a second in any case. */
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

  /** Writes what is left, without the event loop: in a crash, and when the process ends. Half a second in all. */
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

  /** Answers whether something could be written. */
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

  /** Lines from the queue: as many as make up a batch, and one at least. */
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

  /** What was not written goes back to where it was: a line that has been begun ends before the next one begins. */
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

  /** Once all that waited has been written; answers whether there was something to say. */
  #announce(): boolean {
    const dropped = this.#dropped;
    if (!dropped || this.#queued > 0) return false;
    this.#dropped = undefined;
    this.onDropped(dropped);
    return this.#queue.length > 0;
  }
}

/** Lets every end of the process write what is left, and come about. */
export function writeAtExit(outputs: readonly Output[]): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.on('exit', () => {
    for (const output of outputs) output.flushSync();
    // `process.exit` waits for the thread pool, which may be waiting for a disk that does not answer.
    if (outputs.some((output) => output.isStuck)) process.kill(process.pid, 'SIGKILL');
    // Node restores the settings of a terminal, and aborts if that one has gone away. What is closed it leaves alone.
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  });
}

/**
 * The same pipe or terminal, opened once more: whether a descriptor blocks is a property that all processes share to
 * which it was handed down, and each of them may change it. Node does, whenever such a process starts or ends.
 */
function openAgain(fd: 1 | 2): number | undefined {
  if (!isatty(fd) && !fstatSync(fd).isFIFO()) return undefined;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/dev/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // It belongs to another user, as in a container or after `su`; or there is no /dev/fd.
    return undefined;
  }
}

/** As far as it goes for a descriptor that others have, too: Node does so when it makes a stream of a pipe or socket. */
function unblock(fd: 1 | 2): void {
  const stats = fstatSync(fd);
  if (stats.isFIFO() || stats.isSocket()) new Socket({ fd, readable: false, writable: true }).unref();
}

/** Stops this thread (ms). Answers how long it was. */
function sleep(ms: number): number {
  const begun = performance.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return performance.now() - begun;
}
