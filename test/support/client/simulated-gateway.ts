import type { Line, OpenLine, Receiver } from '../../../src/client/line.ts';
import type { SimulatedBrowser, Tab } from './simulated-tabs.ts';

const NOOP_INTERVAL = 15_000;

class GatewayLine implements Line {
  isStalled = false;
  lastFrame: number;
  at: number;
  readonly tab: Tab;
  readonly #gateway: Gateway;
  readonly #receiver: Receiver;
  #isClosed = false;

  constructor(gateway: Gateway, tab: Tab, at: number, receiver: Receiver) {
    this.#gateway = gateway;
    this.tab = tab;
    this.at = at;
    this.#receiver = receiver;
    this.lastFrame = gateway.browser.now;
  }

  send(frame: object, at = this.at): void {
    if (this.isStalled) return;
    this.at = at;
    this.lastFrame = this.#gateway.browser.now;
    this.tab.add(this, () => this.#isClosed || this.#receiver.frame(JSON.stringify(frame), String(at)));
  }

  end(): void {
    this.#gateway.open.delete(this);
    this.tab.add(this, () => this.#isClosed || this.#receiver.ended());
  }

  close(): void {
    this.#isClosed = true;
    this.#gateway.open.delete(this);
  }
}

/** A gateway with one channel. What it sends arrives when the browser takes a step. */
export class Gateway {
  readonly open = new Set<GatewayLine>();
  /** The ids of the messages. */
  readonly messages: number[] = [];
  /** Behind which id something was lost. */
  readonly gaps: number[] = [];
  head = 100;
  /** The addresses of the lines that were opened. */
  readonly opened: URL[] = [];
  /** New lines fail. */
  isAway = false;
  /** New lines with this credential are refused. */
  refuses: string | undefined;
  readonly browser: SimulatedBrowser;

  constructor(browser: SimulatedBrowser) {
    this.browser = browser;
  }

  lines(tab: Tab): OpenLine {
    return (address, receiver) => {
      const query = new URL(address).searchParams;
      const text = query.get('lastEventId') ?? query.get('since') ?? String(this.head);
      const from = Number(text) > this.head ? 1 : Number(text);
      const line = new GatewayLine(this, tab, from, receiver);
      this.opened.push(new URL(address));
      this.open.add(line);
      if (this.isAway) {
        line.end();
        return line;
      }
      if (this.refuses !== undefined && query.get('access_token') === this.refuses) {
        line.send({ status: 'failure', reason: 'expired' });
        line.end();
        return line;
      }
      line.send({ status: 'ok', noopInterval: NOOP_INTERVAL });
      this.gaps.forEach((behind, gap) => {
        if (behind >= from) line.send({ reset: { channel: 'room:1', reason: 'unrecorded', gap } });
      });
      for (const id of this.messages) if (id > from) line.send({ channel: 'room:1', id: String(id) }, id);
      return line;
    };
  }

  publish(): void {
    this.head += 10;
    this.messages.push(this.head);
    for (const line of this.open) line.send({ channel: 'room:1', id: String(this.head) }, this.head);
  }

  lose(): void {
    const gap = this.gaps.push(this.head) - 1;
    for (const line of this.open) line.send({ reset: { channel: 'room:1', reason: 'unrecorded', gap } });
  }

  /** Sends a noop on each line that is silent. */
  keepAlive(): void {
    for (const line of this.open) {
      if (line.tab.isGone) this.open.delete(line);
      else if (this.browser.now - line.lastFrame >= NOOP_INTERVAL) line.send({ noop: true }, this.head);
    }
  }
}

/** What the class `Sisyphus` does with its lines, and a record of what it was given. */
export class ClientOfModel {
  /** It is added to the address. */
  query = '';
  /** The ids of messages. */
  readonly read: number[] = [];
  readonly resets = new Set<number>();
  /** With the reason, if there is one. */
  readonly statuses: string[] = [];
  readonly mistakes: string[] = [];
  /** From where on it has to have everything. */
  start: number | undefined;
  /** The first gap that it may have to be told of: a page without a position loads its state behind its first frame. */
  firstGap = 0;
  position: number | undefined;
  readonly tab: Tab;
  readonly #browser: SimulatedBrowser;
  readonly #gateway: Gateway;
  readonly #openLine: OpenLine;
  readonly #since: number | undefined;
  #line: Line | undefined;
  #opening = 0;
  #lastFrame = 0;
  #openAt = 0;
  #isOver = false;

  constructor(gateway: Gateway, tab: Tab, open: OpenLine, since?: number) {
    this.#gateway = gateway;
    this.#browser = gateway.browser;
    this.tab = tab;
    this.#openLine = open;
    this.#since = since;
    this.start = since;
  }

  open(): void {
    setInterval(() => this.#look(), 1_000);
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#line !== undefined;
  }

  close(): void {
    this.#isOver = true;
    this.#drop();
  }

  #connect(): void {
    const opening = ++this.#opening;
    this.#lastFrame = this.#browser.now;
    const address = new URL(`https://example.test/stream?format=frames${this.query}`);
    if (this.position !== undefined) address.searchParams.set('lastEventId', String(this.position));
    else if (this.#since !== undefined) address.searchParams.set('since', String(this.#since));
    this.#line = this.#openLine(address, {
      frame: (data, id) => {
        if (opening === this.#opening) this.#take(JSON.parse(data), Number(id));
        else this.mistakes.push('a frame after the end');
      },
      ended: () => {
        if (opening === this.#opening) this.#drop();
        else this.mistakes.push('an end after the end');
      },
    });
  }

  #drop(): void {
    this.#opening++;
    this.#line?.close();
    this.#line = undefined;
    this.#openAt = this.#browser.now + 1_500;
  }

  #look(): void {
    const { now } = this.#browser;
    if (this.#isOver) return;
    if (!this.#line) {
      if (now >= this.#openAt) this.#connect();
    } else if (now - this.#lastFrame > 2 * NOOP_INTERVAL) this.#drop();
  }

  #take(frame: { status?: string; reason?: string; reset?: { gap: number }; channel?: string }, id: number): void {
    this.#lastFrame = this.#browser.now;
    if (frame.status) this.statuses.push([frame.status, frame.reason].filter(Boolean).join(' '));
    if (frame.reset) this.resets.add(frame.reset.gap);
    if (frame.status === 'failure') {
      this.#isOver = true;
      this.#drop();
      return;
    }
    if (frame.channel) this.read.push(id);
    // Where the position goes back, the gateway has none of it.
    else if (id === 1 && this.start !== undefined) this.start = 1;
    if (this.start === undefined) {
      this.start = id;
      this.firstGap = this.#gateway.gaps.length;
    }
    if (id < (this.position ?? 0) && id !== 1) this.mistakes.push(`back from ${this.position} to ${id}`);
    this.position = id;
  }
}
