import { absolute } from './absolute.ts';
import { setParameters } from './address.ts';
import { Outbox } from './outbox.ts';
import { type Failure, type NextRequest, RequestLoop } from './request-loop.ts';
import type { SockCloseEvent, SockErrorEvent, SockOpenEvent, SockOptions } from './sock-types.ts';

export type { SockCloseEvent, SockErrorEvent, SockOpenEvent, SockOptions } from './sock-types.ts';

interface Events {
  open: SockOpenEvent;
  message: MessageEvent<string>;
  error: SockErrorEvent;
  close: SockCloseEvent;
}

const NAMES = ['open', 'message', 'error', 'close'] as const;
/** How long `close` waits until everything is sent (ms). */
const LINGER = 5000;

/**
 * A WebSocket over poll sessions.
 *
 * Invariant: the client takes a batch from the gateway whole, and the next poll names its number; a batch to the gateway keeps its number until the
 * gateway has taken it. So each batch may be sent again, and counts once.
 */
export class Sock extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly protocol = '';
  readonly extensions = '';
  readonly url: string;
  onopen: ((event: SockOpenEvent) => void) | null = null;
  onmessage: ((event: MessageEvent<string>) => void) | null = null;
  onerror: ((event: SockErrorEvent) => void) | null = null;
  onclose: ((event: SockCloseEvent) => void) | null = null;
  readonly #options: SockOptions;
  readonly #polls: RequestLoop;
  readonly #sends: RequestLoop;
  readonly #outbox = new Outbox();
  #readyState: 0 | 1 | 2 | 3 = 0;
  #session: string | undefined;
  #token: string | null | undefined;
  /** The number of the last batch that the session has brought. */
  #got = 0;
  #since: string | undefined;
  /** Whether the last batch seems to be taken, by an answer that may have been cut off. */
  #isDoubtful = false;
  /** The session to which the last batch was sent. */
  #sentTo: string | undefined;
  #closing: { code: number; reason: string } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param address of the gateway's poll sessions, such as `/sock.it/` */
  constructor(address: string | URL, options: SockOptions = {}) {
    super();
    this.url = absolute(String(address).replace(/\/?$/, '/')).href.replace(/^ws/, 'http');
    this.#options = options;
    this.#since = options.since;
    const { fetch, withCredentials } = options;
    this.#polls = new RequestLoop({
      fetch,
      withCredentials,
      failed: (failure) => this.#failed(failure),
      next: () => this.#nextPoll(),
      take: (text, headers) => this.#take(text, headers),
    });
    this.#sends = new RequestLoop({
      fetch,
      withCredentials,
      failed: (failure) => {
        this.#failed(failure);
        if (failure.status === 401) this.#polls.restart();
      },
      next: () => this.#nextSend(),
      take: (text, headers) => this.#taken(text, headers),
    });
    for (const name of NAMES) super.addEventListener(name, (event) => this[`on${name}`]?.(event as never));
    this.#polls.start();
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  /** How many bytes of what was sent the gateway has not taken yet. */
  get bufferedAmount(): number {
    return this.#outbox.bytes;
  }

  /** The name of the session at the gateway, to which the application sends; `undefined` before the session has begun. */
  get session(): string | undefined {
    return this.#session;
  }

  override addEventListener<Name extends keyof Events>(
    name: Name,
    listener: ((event: Events[Name]) => void) | EventListenerObject | null,
    options?: AddEventListenerOptions | boolean,
  ): void {
    super.addEventListener(name, listener as EventListener, options);
  }

  /** Sends a text. This may be called before the first session has begun. After `close` the text is lost and only counted, as with a WebSocket. */
  send(text: string): void {
    this.#outbox.add(text, this.#readyState > 1);
    this.#sends.start();
  }

  /** Ends the connection when everything is sent, or after 5 s. */
  close(code = 1000, reason = ''): void {
    if (this.#readyState > 1) return;
    this.#readyState = 2;
    this.#closing = { code, reason };
    const { isEmpty } = this.#outbox;
    if (this.#session || isEmpty) this.#polls.stop();
    // Even if there is nothing to send, the end is told later, because the page may begin to listen only after this.
    this.#timer = setTimeout(
      () => {
        this.#endIfSent();
        this.#end(1006, 'not everything was sent');
      },
      isEmpty ? 0 : LINGER,
    );
  }

  #endIfSent(): void {
    if (this.#closing && this.#outbox.isEmpty) this.#end(this.#closing.code, this.#closing.reason, true);
  }

  #end(code: number, reason: string, wasClean = false): void {
    if (this.#readyState === 3) return;
    this.#readyState = 3;
    clearTimeout(this.#timer);
    this.#polls.stop();
    this.#sends.stop();
    this.#tell('close', { code, reason, wasClean });
  }

  #tell(name: string, members: object): void {
    this.dispatchEvent(Object.assign(new Event(name), members));
  }

  #failed({ status, isFinal, reason, message = reason, error }: Failure): void {
    if (isFinal || reason === 'credential') this.#tell('error', { message, error });
    if (isFinal) this.#end(4000 + status, message);
    // A session answers only the credential with which it was begun. The next poll begins another one.
    else if (status === 401) this.#session = undefined;
  }

  async #nextPoll(): Promise<NextRequest | undefined> {
    if (this.#session) return { address: this.#addressOf(`${this.#session}/poll`, { got: this.#got }), body: '' };
    this.#token = await this.#options.credential?.();
    return { address: this.#addressOf('poll-start', {}), body: '' };
  }

  #nextSend(): NextRequest | undefined {
    const batch = this.#session && this.#outbox.batch();
    if (!batch) return undefined;
    this.#sentTo = this.#session;
    return { address: this.#addressOf(`${this.#session}/poll-msg`, { n: batch.number }), body: batch.body };
  }

  /** Any request may begin a session in place of one that is gone, so each has the parameters of the session. */
  #addressOf(path: string, own: Record<string, number>): URL {
    const address = new URL(path, this.url);
    const { user, format } = this.#options;
    setParameters(address.searchParams, {
      ack: 1,
      ...own,
      user,
      format,
      since: this.#since,
      access_token: this.#token,
    });
    return address;
  }

  #take(text: string, headers: Headers): boolean {
    const begun = sessionIn(text);
    if (begun) {
      this.#begin(begun);
      return true;
    }
    const texts = JSON.parse(text) as string[];
    if (!Array.isArray(texts)) throw new TypeError('expected an array');
    if (texts.length === 0) return false;
    const number = Number(headers.get('Sisyphus-Batch')) || this.#got + 1;
    if (number <= this.#got) return true;
    this.#got = number;
    const { origin } = new URL(this.url);
    for (const data of texts) {
      if (this.#readyState > 1) break;
      this.#since = this.#options.format === 'json' ? (idIn(data) ?? this.#since) : undefined;
      this.dispatchEvent(new MessageEvent('message', { data, origin }));
    }
    return true;
  }

  #taken(text: string, headers: Headers): boolean {
    const begun = sessionIn(text);
    if (begun) {
      if (this.#sentTo === this.#session) this.#begin(begun);
      return true;
    }
    if (text !== '') throw new TypeError('expected an empty answer');
    // Over plain HTTP, Chromium takes a head that breaks off for a whole one. What has no length is asked for once more.
    this.#isDoubtful = headers.get('Content-Length') !== '0' && !this.#isDoubtful;
    if (this.#isDoubtful) throw new TypeError('expected the length of the answer');
    this.#outbox.taken();
    this.#endIfSent();
    return true;
  }

  #begin(session: string): void {
    this.#session = session;
    this.#got = 0;
    this.#sends.start();
    if (this.#closing) {
      this.#polls.stop();
      return;
    }
    this.#polls.restart();
    this.#readyState = 1;
    this.#tell('open', { session });
  }
}

function sessionIn(text: string): string | undefined {
  return /^poll-start=([\w-]+)$/.exec(text)?.[1];
}

/** The id of a message of the user's stream. */
function idIn(text: string): string | undefined {
  try {
    const { channel, id } = JSON.parse(text) as { channel?: unknown; id?: unknown };
    return typeof channel === 'string' && typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}
