/** So many lines of an event are written at once; then there is one each `PERIOD` (ms), with the number of those that it stands for. */
const LINES = 20;
const PERIOD = 1000;
/** How many kinds of events are told apart. Reasons are the gateway's own words, so there are fewer. */
const MOST = 500;
/** What may not be left out: who did what. */
const WHOLE = new Set(['audit', 'disconnected']);
/** The last line of a gateway: what was folded before stands before it. */
const LAST = 'stopped';

export type Fields = Record<string, unknown>;

interface Kind {
  room: number;
  /** When `room` was refilled last (ms). */
  filled: number;
  /** How many lines were left out since the last one. */
  folded: number;
  timer: NodeJS.Timeout | undefined;
  /** Writes what was left out, in one line. */
  finish: () => void;
}

/**
 * Folds events that repeat: what happens to thousands of streams at once is a line a second, and not a line for each. Events are of one kind
 * if they have the same name, reason and code.
 */
export class Folding {
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();

  /** @param now a monotonic clock (ms) */
  constructor(now: () => number = performance.now.bind(performance)) {
    this.#now = now;
  }

  /**
   * @param write writes a line with these fields; called now, or within two seconds if no later line stands for this one
   */
  pass(fields: Fields, write: (fields: Fields) => void): void {
    const { event, reason, code } = fields;
    if (typeof event !== 'string' || WHOLE.has(event)) {
      write(fields);
      return;
    }
    if (event === LAST) for (const { timer, finish } of this.#kinds.values()) if (timer) finish();
    const kind = this.#kindOf(`${event} ${String(reason)} ${String(code)}`);
    if (kind.room === 0) {
      kind.folded++;
      if (kind.timer) return;
      kind.finish = () => this.#finish(kind, fields, write);
      kind.timer = setTimeout(() => kind.finish(), 2 * PERIOD).unref();
      return;
    }
    kind.room--;
    write(this.#counted(kind, fields));
  }

  /** If nothing follows that could carry the number, the first line that was left out does. */
  #finish(kind: Kind, fields: Fields, write: (fields: Fields) => void): void {
    kind.folded--;
    write(this.#counted(kind, fields));
  }

  #counted(kind: Kind, fields: Fields): Fields {
    clearTimeout(kind.timer);
    const times = kind.folded + 1;
    Object.assign(kind, { timer: undefined, folded: 0 });
    return times > 1 ? { ...fields, times } : fields;
  }

  #kindOf(name: string): Kind {
    const now = this.#now();
    let kind = this.#kinds.get(name);
    if (!kind) {
      // Forgetting all is safe: each kind has its first lines again.
      if (this.#kinds.size >= MOST) this.#kinds.clear();
      kind = { room: LINES, filled: now, folded: 0, timer: undefined, finish: () => undefined };
      this.#kinds.set(name, kind);
    }
    const gained = Math.floor((now - kind.filled) / PERIOD);
    kind.filled += gained * PERIOD;
    kind.room = Math.min(LINES, kind.room + gained);
    return kind;
  }
}
