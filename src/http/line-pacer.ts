/** A line of the protocol, which is a JSON array of updates, or several that are sent together. */
export interface Line {
  bytes: Buffer;
  /** The revision of the collection after it. */
  revision: number;
}

/** If more readers than this follow, what comes shortly after a write waits for the next one, so that a burst is one write to each. */
const CROWD = 100;
/** How long it waits at most (ms). */
const PAUSE = 40;

/** Joins the lines of a burst. */
export class LinePacer {
  readonly #post: (line: Line) => void;
  readonly #readers: () => number;
  #waiting: Line[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(post: (line: Line) => void, readers: () => number) {
    this.#post = post;
    this.#readers = readers;
  }

  add(line: Line): void {
    this.#waiting.push(line);
    if (this.#timer === undefined) this.flush();
  }

  /** Posts what waits. To be called before anybody joins: a new reader has it already. */
  flush(): void {
    const [line, ...others] = this.#waiting;
    if (line === undefined) return;
    this.#waiting = [];
    const bytes = others.length === 0 ? line.bytes : Buffer.concat([line, ...others].map((one) => one.bytes));
    this.#post({ bytes, revision: (others.at(-1) ?? line).revision });
    if (this.#timer !== undefined || this.#readers() <= CROWD) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, PAUSE).unref();
  }
}
