import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';

/** A pipe with a name, to hand to a process as its output: the test says when it is read. */
export class NamedPipe {
  readonly path: string;
  #fd: number | undefined;
  #text = '';

  /** Makes it, and opens its reading end. */
  constructor(path: string) {
    this.path = path;
    spawnSync('mkfifo', [path]);
    this.open();
  }

  open(): void {
    this.#fd = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  /** From now on whoever writes gets EPIPE. May be called twice. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Leaves no room in it: empty lines. */
  fill(): void {
    const fd = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      for (;;) writeSync(fd, Buffer.alloc(4096, '\n'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Reads what is there, and answers all that was read until now. */
  read(): string {
    const buffer = Buffer.alloc(64 * 1024);
    try {
      for (let length = 1; length > 0; ) {
        length = readSync(this.#fd!, buffer);
        this.#text += buffer.toString('latin1', 0, length);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    return this.#text;
  }
}
