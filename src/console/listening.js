import { readFrame } from './frame.js';
import { get } from './requests.js';

/** How long the page waits before it opens a stream that the browser has given up (ms). */
const AGAIN = 2000;
/** A live message may seem older than its connection by up to this much (ms), because the clock of Redis is known only so well. */
const SLACK = 5;

/**
 * One EventSource to the gateway, and the position that it has reached. The browser reconnects by itself with its Last-Event-ID; if the page opens
 * the stream again, it puts the same id into the address.
 */
export class Listening {
  #clock;
  #on;
  #wanted;
  #source;
  #position = '';
  #events = new Set();
  /** When the connection was opened, by the clock of Redis (ms). */
  #openedAt = 0;
  #timer;
  /** Why the gateway has ended the connection, if it has said so. */
  #why = '';

  /** @param on `frame`, `note` and `state` are called with what happens */
  constructor(clock, on) {
    this.#clock = clock;
    this.#on = on;
  }

  get isWanted() {
    return this.#wanted !== undefined;
  }

  get position() {
    return this.#position;
  }

  get wanted() {
    return this.#wanted;
  }

  /** @param wanted user, channels, format, and `begin`: parameters that say where the stream begins */
  open(wanted) {
    this.close();
    this.#wanted = wanted;
    this.#position = '';
    this.#connect(wanted.begin);
  }

  close() {
    this.#wanted = undefined;
    this.#leave();
    this.#on.state('closed');
  }

  /** Names an event that the page listens for from now on. */
  listenFor(event) {
    if (this.#events.has(event)) return;
    this.#events.add(event);
    this.#source?.addEventListener(event, this.#take);
  }

  /** Breaks the connection. The position stays, for `comeBack`. */
  cut() {
    this.#leave();
    this.#on.note(`cut at ${this.#position || 'no position'}`);
    this.#on.state('away', 'away');
  }

  /** Comes back after so long (s), with the position of the page, or with another one. */
  comeBack(seconds, lastEventId = this.#position) {
    if (seconds > 0) this.#on.state('away', `back in ${seconds} s`);
    const back = () => {
      this.#on.note(`back with lastEventId=${lastEventId}`);
      this.#connect(lastEventId === '' ? this.#wanted.begin : { lastEventId });
    };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wanted && back(), seconds * 1000);
  }

  #leave() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  #connect(begin) {
    if (!this.#wanted) return;
    this.#leave();
    const { user, channels, format } = this.#wanted;
    const query = new URLSearchParams();
    if (user !== '') query.set('user', user);
    for (const channel of channels) query.append('c', channel);
    query.set('format', format);
    for (const [name, value] of Object.entries(begin)) query.set(name, value);
    this.#on.state('opening');
    const source = new EventSource(`console/stream?${query}`);
    this.#source = source;
    for (const event of ['message', 'reset', 'denied', ...this.#events]) source.addEventListener(event, this.#take);
    // This event comes also when the browser has come back by itself.
    source.addEventListener('open', () => {
      if (this.#clock.isSet) this.#openedAt = this.#clock.time;
    });
    source.addEventListener('error', () => this.#lost(source));
  }

  #lost(source) {
    if (source !== this.#source) return;
    if (source.readyState !== EventSource.CLOSED) {
      if (this.#why) this.#on.state('away', this.#why);
      else this.#on.state('opening', 'the browser comes back by itself');
      this.#on.note(`the connection ended; the browser comes back with Last-Event-ID: ${this.#position}`);
      return;
    }
    this.#on.state('away', 'the gateway refused the connection');
    this.#source = undefined;
    this.#timer = setTimeout(() => void this.#tryAgain(), AGAIN);
  }

  async #tryAgain() {
    // If the log-in has ended, `get` says so, and the page asks for another one.
    await get('session').catch(this.#on.refused);
    if (this.#wanted && !this.#source)
      this.#connect(this.#position ? { lastEventId: this.#position } : this.#wanted.begin);
  }

  #take = (event) => {
    // An EventSource tells of itself by `open` and `error`, without data and without a position.
    if (typeof event.data !== 'string') return;
    const { format } = this.#wanted;
    const frame = readFrame(event, format);
    const { kind, word, id } = frame;
    if (id !== '' && id !== '0') this.#position = id;
    const latency = kind === 'message' ? this.#clock.since(id) : undefined;
    const isReplayed = kind === 'message' && this.#openedAt > 0 && Number(id) / 1000 < this.#openedAt - SLACK;
    if (kind === 'status') this.#status(word, frame.text);
    this.#on.frame({ ...frame, at: new Date(), latency, isReplayed });
  };

  /** Whatever the gateway says, the browser comes back by itself, as a page without this console would. */
  #status(word, why) {
    // The gateway says in `retry:` when to come back, and an EventSource does not show that.
    const again = word === 'failure' ? 'tries again within a minute' : 'tries again within seconds';
    this.#why = word === 'ok' ? '' : `${[word, why].filter(Boolean).join(': ')}; ${again}`;
    if (word === 'ok') this.#on.state('open');
    else this.#on.state('away', this.#why);
  }
}
