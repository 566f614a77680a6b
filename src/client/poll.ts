import type { Line, OpenLine, Receiver, Through } from './line.ts';

export interface PollOptions {
  /** If the first frame of a stream takes longer than this (ms), a poll is tried beside it. 2500 by default; it has to be less than 10,000. */
  patience?: number;
  /** After this long with polls (ms) the stream is tried again. 180,000 by default. */
  retry?: number;
}

/** What all lines know of the path. Until the time `polls` (ms since 1970) it is taken for one that buffers. */
type Path = Required<PollOptions> & { polls: number };

/** A `probe` is a poll without a position, which is answered at once. */
type Kind = 'stream' | 'probe' | 'poll';

/** The pause between two polls (ms). What is published meanwhile comes with the next poll, and a page never polls in a circle without a pause. */
const PAUSE = 100;

/**
 * A way round paths that buffer: proxies and virus scanners that hand on a response only when it has ended. If a stream says nothing, and a poll
 * (docs/reference/stream-protocol.md#polls) is answered, the page goes on with polls, and later tries the stream again.
 */
export function poll({ patience = 2500, retry = 180_000 }: PollOptions = {}): Through {
  const path = { patience, retry, polls: 0 };
  return (open) => {
    // A tab would share its stream with some tabs and its polls with others, and be given nothing.
    if (open.key !== undefined) throw new TypeError('through: expected tabs() before poll()');
    return (address, receiver) => {
      const line = new PollLine(path, open, address, receiver);
      line.begin();
      return line;
    };
  };
}

/**
 * One line, by a stream or by polls, one after the other.
 *
 * Invariant: of the requests of a line only the one that was answered first goes on, and each request that gives messages begins at the last id
 * that was given. So nothing is lost or doubled when the line changes from one kind to the other.
 */
class PollLine implements Line {
  readonly #path: Path;
  readonly #open: OpenLine;
  readonly #address: URL;
  readonly #receiver: Receiver;
  readonly #requests = new Set<Line>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wasLive = false;

  constructor(path: Path, open: OpenLine, address: URL, receiver: Receiver) {
    this.#path = path;
    this.#open = open;
    this.#address = new URL(address);
    this.#receiver = receiver;
  }

  begin(): void {
    if (this.#isPolling) this.#request('probe');
    else this.#tryStream();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const line of this.#requests) line.close();
    this.#requests.clear();
  }

  get #isPolling(): boolean {
    return Date.now() < this.#path.polls;
  }

  #tryStream(): void {
    this.#request('stream');
    this.#timer = setTimeout(() => this.#request('probe'), this.#path.patience);
  }

  #request(kind: Kind): void {
    const address = new URL(this.#address);
    const { searchParams } = address;
    if (kind !== 'stream') searchParams.set('poll', '');
    if (kind === 'probe') for (const name of ['lastEventId', 'since']) searchParams.delete(name);
    let isAnswered = false;
    const line = this.#open(address, {
      frame: (data, id) => {
        if (!isAnswered) this.#goOnWith(kind, line);
        isAnswered = true;
        this.#take(kind, data, id);
      },
      ended: () => {
        this.#requests.delete(line);
        if (this.#requests.size > 0) return;
        clearTimeout(this.#timer);
        if (!isAnswered || kind === 'stream') this.#receiver.ended();
        else this.#timer = setTimeout(() => (this.#isPolling ? this.#request('poll') : this.#tryStream()), PAUSE);
      },
    });
    this.#requests.add(line);
  }

  #goOnWith(kind: Kind, line: Line): void {
    this.#requests.delete(line);
    this.close();
    this.#requests.add(line);
    if (kind !== 'poll') this.#path.polls = kind === 'probe' ? Date.now() + this.#path.retry : 0;
  }

  #take(kind: Kind, data: string, id: string): void {
    const { searchParams } = this.#address;
    const [, status] = /^{"status":"(\w+)"/.exec(data) ?? [];
    if (status === 'failure' && this.#wasLive) {
      // The credential has ended meanwhile: the client opens anew, with a fresh one.
      this.close();
      this.#receiver.ended();
      return;
    }
    this.#wasLive ||= status === 'ok';
    // A line that has a position does not go on at the probe's, because that is later.
    const isElsewhere = kind === 'probe' && (searchParams.has('lastEventId') || searchParams.has('since'));
    if (isElsewhere && status) this.#receiver.frame(data, '');
    if (isElsewhere) return;
    if (id && id !== '0') searchParams.set('lastEventId', id);
    this.#receiver.frame(data, id);
  }
}
