import { connect, type Socket } from 'node:net';
import { type Frame, FrameReader } from './frames.ts';
import { type ResponseHead, ResponseReader } from './http-body.ts';
import { reportRefusal } from './refusals.ts';

export interface RawRequest {
  port: number;
  /** `/?user=1` unless told otherwise. Goes out as it is: nothing is encoded. */
  path?: string;
  method?: string;
  /** In this order; a name may come twice. */
  headers?: Record<string, string> | [string, string][];
  body?: string | Buffer;
  /** The address to connect from: any of 127.0.0.0/8. */
  from?: string;
  /** `1.1` unless told otherwise; old proxies speak 1.0 to what is behind them. */
  version?: '1.0' | '1.1';
}

/** One HTTP request over a socket of its own, and everything that came back, as bytes and as frames. */
export class RawStream {
  readonly frames: Frame[] = [];
  /** When the request went out, by `performance.now()`. */
  readonly sentAt = performance.now();
  head: ResponseHead | undefined;
  /** The answer is complete, the other side ended it, or the connection broke. */
  closed = false;
  closedAt = 0;
  #request: Required<Pick<RawRequest, 'path' | 'method'>>;
  #socket: Socket;
  #response: ResponseReader;
  #reader = new FrameReader();
  #body: Buffer[] = [];
  #broken: Error | undefined;
  #watchers = new Set<() => void>();

  constructor(request: RawRequest) {
    const { port, path = '/?user=1', method = 'GET' } = request;
    this.#request = { path, method };
    this.#response = new ResponseReader(method);
    this.#socket = connect({ port, host: '127.0.0.1', localAddress: request.from, noDelay: true });
    this.#socket.on('connect', () => this.#socket.write(formatRequest(request)));
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', () => {}); // `close` follows, and is what tests look at
    this.#socket.on('close', () => this.#end());
  }

  /** Whether the kernel of the other side has taken the connection. */
  get isConnected(): boolean {
    return this.#socket.readyState === 'open';
  }

  get status(): number | undefined {
    return this.head?.status;
  }

  header(name: string): string | undefined {
    return this.head?.headers.get(name);
  }

  /** The body so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#body);
  }

  get unfinished(): Buffer {
    return this.#reader.unfinished;
  }

  /** Frames that carry what was published: no status, no noop. Named ones too, and resets. */
  get messages(): Frame[] {
    return this.frames.filter((frame) => !isControl(frame));
  }

  /** The last id that was read; what an EventSource would bring back. */
  get lastEventId(): string | undefined {
    return this.frames.findLast(({ id }) => id !== undefined)?.id;
  }

  /** Waits until `predicate` answers something; fails at the deadline, and at once where the stream has ended without. */
  until<T>(predicate: (stream: this) => T, deadlineMs = 5_000): Promise<NonNullable<T>> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        act();
      };
      const fail = (why: string): void => settle(() => reject(new Error(`${why}\n${this.describe()}`)));
      const look = (): void => {
        try {
          if (this.#broken) throw this.#broken;
          const answer = predicate(this);
          if (answer !== false && answer !== undefined && answer !== null) settle(() => resolve(answer));
          else if (this.closed) fail('the stream ended first');
        } catch (error) {
          fail(String(error));
        }
      };
      const timer = setTimeout(() => fail(`not within ${deadlineMs} ms`), deadlineMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** The first frame that fits. */
  frame(fits: (frame: Frame) => boolean, deadlineMs?: number): Promise<Frame> {
    return this.until(({ frames }) => frames.find(fits), deadlineMs);
  }

  /** Until the first frame, which has to be `ok`. */
  async ok(deadlineMs?: number): Promise<this> {
    await this.until(({ frames }) => {
      if (frames.length === 0) return false;
      if (!isOk(frames[0]!)) throw new Error('the first frame is not ok');
      return true;
    }, deadlineMs);
    return this;
  }

  ended(deadlineMs?: number): Promise<boolean> {
    return this.until(({ closed }) => closed, deadlineMs);
  }

  /** Breaks the connection at once, with a reset. */
  cut(): void {
    this.#socket.resetAndDestroy();
  }

  /** Ends the connection as a browser that navigates away does. */
  close(): void {
    this.#socket.destroy();
  }

  /** Stops reading, and stays connected. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  describe(): string {
    const { method, path } = this.#request;
    const frames = this.frames.map(({ text }) => JSON.stringify(text.slice(0, 300)));
    const shown = frames.length > 12 ? [...frames.slice(0, 6), '…', ...frames.slice(-6)] : frames;
    const state = `${this.closed ? 'closed' : 'open'}, ${frames.length} frames`;
    return `${method} ${path.slice(0, 200)} → ${this.head?.text.split('\r\n')[0] ?? 'no answer'} (${state})\n${shown.join('\n')}`;
  }

  #read(bytes: Buffer): void {
    const hadHead = this.head !== undefined;
    const body = this.#response.push(bytes);
    this.head = this.#response.head;
    if (!hadHead && this.head) this.#judge(this.head);
    if (body.length > 0) {
      this.#body.push(body);
      if (this.header('content-type')?.startsWith('text/event-stream')) this.#readFrames(body);
    }
    if (this.#response.complete) this.#end();
    else this.#wake();
  }

  #readFrames(body: Buffer): void {
    try {
      this.frames.push(...this.#reader.push(body, performance.now()));
    } catch (error) {
      this.#broken ??= error as Error;
    }
  }

  #judge({ status }: ResponseHead): void {
    const { method, path } = this.#request;
    const isStream = method === 'GET' && /^\/(stream)?(\?|$)/.test(path);
    if (!isStream || status === 200) return;
    reportRefusal(`${method} ${path.slice(0, 200)}`, status);
    this.#broken = new Error(`status ${status}`);
  }

  #end(): void {
    if (!this.closed) this.closedAt = performance.now();
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#watchers]) look();
  }
}

export function openStream(request: RawRequest): RawStream {
  return new RawStream(request);
}

/** Opens a stream and waits for its `ok`. */
export function openOk(request: RawRequest): Promise<RawStream> {
  return new RawStream(request).ok();
}

/** One request and its whole answer. */
export async function exchange(request: RawRequest, deadlineMs = 5_000): Promise<RawStream> {
  const stream = new RawStream(request);
  try {
    await stream.ended(deadlineMs);
    return stream;
  } finally {
    stream.close();
  }
}

export function isOk(frame: Frame): boolean {
  return frame.data === '<message><status>ok</status></message>' || (frame.data ?? '').startsWith('{"status":"ok"');
}

export function isControl(frame: Frame): boolean {
  if (frame.event !== undefined) return false;
  const { data } = frame;
  if (data === 'noop' || data === '{"noop":true}') return true;
  return /^(<message><status>(ok|error|failure)<|\{"status":"(ok|error|failure)")/.test(data ?? '');
}

function formatRequest(request: RawRequest): Buffer {
  const { port, path = '/?user=1', method = 'GET', headers = {}, body, version = '1.1' } = request;
  const given = Array.isArray(headers) ? headers : Object.entries(headers);
  const names = new Set(given.map(([name]) => name.toLowerCase()));
  const all: [string, string][] = [];
  if (!names.has('host')) all.push(['Host', `127.0.0.1:${port}`]);
  if (!names.has('accept') && method === 'GET') all.push(['Accept', 'text/event-stream']);
  if (body !== undefined && !names.has('content-length')) all.push(['Content-Length', String(Buffer.byteLength(body))]);
  all.push(...given);
  const lines = [`${method} ${path} HTTP/${version}`, ...all.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body ?? '')]);
}
