import type { Line, OpenLine, Receiver, Through } from './line.ts';
import type { Here, Opened, Page, Shared, Word } from './tab-words.ts';

// All of it is one file that imports nothing but types, because it is bundled smaller so: it may have 1.5 kB.

const ASK = 0;
/** How often the silence is looked at, and how long an answer may take (ms). */
const LOOK = 1_000;
/** The interval of noops that is assumed until the gateway has said its own (ms). */
const INTERVAL = 10_000;
/** After so many intervals without a frame a tab asks its leader. This is before the client would take its line for dead. */
const SILENT_INTERVALS = 1.5;
/** If more frames of the leader wait until this tab has come up to it, the tab begins again, from where it is by then. */
const MOST_HELD = 10_000;

export interface TabsOptions {
  /** Who the user is, such as an id: tabs with one key and one address share a line. */
  key: string;
}

/**
 * One line for all tabs of a browser that have the same key and address, by Web Locks and BroadcastChannel. Where these are missing (old browsers,
 * pages without TLS, Node), each tab has a line of its own.
 *
 * If another key comes up at an address whose user the page does not name (`user`, `access_token`), that is, by a cookie, then lines of older
 * pages end with the status `failure` and the reason `user_changed`: the cookie is now another user's.
 */
export function tabs({ key }: TabsOptions): Through {
  const page: Page = { key };
  return (open) =>
    globalThis.document && navigator.locks
      ? Object.assign((address: URL, receiver: Receiver) => new SharedLine(open, address, receiver, page), { key })
      : open;
}

/**
 * The line of one tab. The tab that holds the lock leads: it has a line to the gateway and hands its frames on. A tab that follows takes them, or
 * first comes up to the leader by a line of its own.
 *
 * Invariant: the page was given every message up to `#at`, once and in order, and what it is given next is from a line that was opened there, or
 * from a leader of which no frame is missing since a moment when there was nothing between `#at` and the leader's position. Frames are taken
 * of the leader with the latest term only, so one that has lost its lock without noticing is heard by nobody.
 */
class SharedLine implements Line, Receiver {
  readonly #openLine: OpenLine;
  readonly #address: URL;
  readonly #receiver: Receiver;
  readonly #name: string;
  readonly #tabs: BroadcastChannel;
  readonly #gone = new AbortController();
  readonly #watch = setInterval(() => this.#look(), LOOK);
  /** The line to the gateway, of a leader, or of a tab that comes up to its leader. */
  #line: Line | undefined;
  #opened!: Opened;
  /** The position; `NaN` before there is one. */
  #at: number;
  /** The gateway has sent a frame at this position, so the position is not one of the future. */
  #isKnown = false;
  /** Gives the lock back; it is set only in a leader. */
  #release: (() => void) | undefined;
  /** The term of the leader that this tab follows, or its own if it leads. */
  #term = 0;
  /** The leader to come up to, and its frames since; `undefined` if the tab leads, or has come up. */
  #target: (Here & { held: Shared[] }) | undefined;
  #interval = INTERVAL;
  /** When the silence has been too long (ms). */
  #due = 0;
  #hasAsked = false;

  constructor(open: OpenLine, address: URL, receiver: Receiver, page: Page) {
    this.#openLine = open;
    this.#address = address;
    this.#receiver = receiver;
    const stream = new URL(address);
    const query = stream.searchParams;
    this.#at = Number(query.get('lastEventId') ?? query.get('since') ?? (query.has('overlap') ? 0 : undefined));
    for (const name of ['lastEventId', 'since', 'access_token']) query.delete(name);
    // The number is the version of the messages between tabs: tabs with different versions must not misunderstand each other.
    this.#name = `sisyphus 1 ${page.key} ${stream}`;
    this.#tabs = new BroadcastChannel(this.#name);
    this.#tabs.onmessage = ({ data }) => this.#hear(data);
    const { signal } = this.#gone;
    document.addEventListener('freeze', () => this.ended(), { signal });
    this.#queue({ signal });
    this.#say(ASK);
    if (/\W(user|access_token)=/.test(address.search)) return;
    // The page that came later is right, because an older one may only have opened its line again. What is stored outlives that page, for pages
    // that were frozen or without a line when it came.
    const users = `sisyphus 1 ${address.origin}${address.pathname}`;
    const look = () => {
      try {
        const last = localStorage[users] ?? 0;
        const born = parseFloat(last);
        // The machine's clock may have been set back since the last one.
        page.born ||= Math.max(Date.now(), born + 1);
        if (born < page.born) localStorage[users] = page.born + ' ' + page.key;
        else if (last !== born + ' ' + page.key) {
          this.#give('{"status":"failure","reason":"user_changed"}');
          this.ended();
        }
      } catch {
        // Where a page may store nothing, there are no cookies either.
      }
    };
    addEventListener('storage', look, { signal });
    look();
  }

  close(): void {
    clearInterval(this.#watch);
    this.#gone.abort();
    this.#tabs.close();
    this.#target = undefined;
    this.#release?.();
    this.#line?.close();
  }

  get #isOver(): boolean {
    return this.#gone.signal.aborted;
  }

  /** The line has ended, or could not be opened. */
  ended(): void {
    if (this.#isOver) return;
    // A line may break only because its page is being left, so the next tab tries at once. If its line fails, too, all tabs wait.
    if (this.#release && !this.#opened.head[0]) this.#say({ term: this.#term });
    this.close();
    this.#receiver.ended();
  }

  /** Waits for the lock, and again when it was lost, or takes it from a leader that is frozen or hangs (`steal`). */
  #queue(options: LockOptions): void {
    const lost = (error?: Error): void => {
      if (this.#isOver) return;
      // A page may have no locks (an opaque origin, or storage that is blocked). Then it shares its line with nobody.
      if (error && error.name !== 'AbortError') void this.#lead();
      else {
        this.#resign();
        if (options.signal) this.#queue(options);
      }
    };
    navigator.locks.request(this.#name, options, () => this.#lead()).then(lost as () => void, lost);
  }

  /** @returns when the lock is to be released */
  #lead(): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    this.#target = undefined;
    // The term is later than all that this tab knows, and no other tab has the same one.
    this.#term = Math.max(Date.now(), this.#term) + Math.random();
    this.#heard();
    if (!this.#line) this.#open();
    this.#say(this.#here());
    return new Promise((release) => {
      this.#release = release;
    });
  }

  /** The lock is lost, or another leader has a later term: from here on this tab follows. */
  #resign(): void {
    if (!this.#release) return;
    this.#release();
    this.#release = undefined;
    this.#drop();
    this.#say(ASK);
  }

  #here(): Here {
    return { term: this.#term, at: this.#at, line: this.#opened };
  }

  #say(word: Word): void {
    this.#tabs.postMessage(word);
  }

  #heard(): void {
    this.#hasAsked = false;
    this.#due = Date.now() + SILENT_INTERVALS * this.#interval;
  }

  #look(): void {
    if (this.#release || Date.now() < this.#due) return;
    if (this.#hasAsked) this.#queue({ steal: true });
    else this.#say(ASK);
    this.#hasAsked = !this.#hasAsked;
  }

  #hear(word: Word): void {
    if (!word) {
      // A leader whose own line is silent gives no answer, so that its lock is taken.
      if (this.#release && Date.now() < this.#due) this.#say(this.#here());
      return;
    }
    // What is no word has no term.
    if (!(word.term >= this.#term)) return;
    this.#resign();
    this.#heard();
    if ('line' in word) this.#meet(word);
    else if ('data' in word) this.#share(word);
    else if (this.#line) this.#target = undefined;
    else this.ended();
  }

  #meet(leader: Here): void {
    if (!(leader.at >= 0) || leader.term === this.#term) return;
    this.#term = leader.term;
    this.#target = { ...leader, held: [] };
    if (leader.line.isTorn) this.#drop();
    this.#comeUp();
  }

  #share(frame: Shared): void {
    if (frame.term !== this.#term) return;
    const target = this.#target;
    if (!target) this.#take(frame);
    else if (target.held.push(frame) > MOST_HELD) this.ended();
  }

  /** Follows the leader if nothing is missing before its frames. Otherwise a line of its own brings this tab there. */
  #comeUp(): void {
    if (!this.#target) return;
    const { at, line, held } = this.#target;
    if (!(this.#at >= 0)) this.#at = at;
    else if (
      !(this.#at >= line.floor && (line.isTorn ? this.#line && this.#opened.hasBegun : this.#isKnown || this.#at <= at))
    ) {
      if (!this.#line) this.#open();
      return;
    }
    this.#target = undefined;
    this.#drop();
    this.#isKnown = true;
    for (const data of line.head) this.#give(data);
    for (const frame of held) this.#take(frame);
  }

  /** Leaves out messages up to the position, which the page has. Other frames do no harm, and a reset may be about later messages. */
  #take({ data, id }: Shared): void {
    const position = Number(id);
    if (position > this.#at) this.#at = position;
    else if (/^{"channel/.test(data)) return;
    this.#give(data);
  }

  #give(data: string): void {
    if (this.#isOver) return;
    this.#interval = Number(/^{"status.*noopInterval":(\d+)/.exec(data)?.[1] ?? this.#interval);
    this.#receiver.frame(data, String(this.#at || ''));
  }

  #drop(): void {
    this.#line?.close();
    this.#line = undefined;
  }

  #open(): void {
    if (this.#at) this.#address.searchParams.set('lastEventId', String(this.#at));
    this.#opened = { head: [], floor: this.#at };
    this.#line = this.#openLine(this.#address, this);
  }

  /** A frame of this tab's line to the gateway. */
  frame(data: string, id: string): void {
    const line = this.#opened;
    if (/^{"status":"failure/.test(data)) {
      // A later line of this tab may be refused only because its credential is too old. So every tab asks its page for a fresh one.
      if (!this.#isKnown) this.#give(data);
      this.ended();
      return;
    }
    // Each poll begins with an ok. A status that is none, and a noop with a retry, say that the line ends, and when to come back.
    if (/^{"(status|noop.*retry)/.test(data)) line.head = /^{"status":"ok/.test(data) ? [data] : [];
    else if (/^{"denied/.test(data)) line.head.push(data);
    else if (/^{"reset/.test(data)) line.isTorn = true;
    else line.hasBegun = true;
    const before = this.#at;
    const position = Number(id);
    if (position) {
      this.#isKnown = true;
      this.#at = position;
      if (!(before >= 0) || /^{"channel/.test(data)) line.floor = position;
    }
    if (this.#release) {
      this.#heard();
      this.#say(before >= 0 ? { term: this.#term, data, id } : this.#here());
    }
    this.#give(data);
    // The gateway does not know the position that it was given: this tab begins again with its own.
    if (this.#at < before) this.ended();
    this.#comeUp();
  }
}
