import { connect, type Socket } from 'node:net';
import type { ResetReason } from '../../../src/message/reset.ts';
import { FrameReader, type Frame as WireFrame } from '../../support/frames.ts';
import { ResponseReader } from '../../support/http-body.ts';
import { now } from '../clock.ts';
import type { Frame, StreamNote } from '../ledger.ts';

export interface ReaderPlan {
  name: string;
  user: string;
  format: 'raw' | 'json';
  /** Opens a new stream after so many milliseconds of silence, as a page that watches for `noop` would; 0: never. */
  silenceLimit: number;
}

export interface ReaderWorld {
  ports(): number[];
  frame(frame: Frame): void;
  stream(note: StreamNote): void;
  problem(what: string): void;
}

/** What an EventSource does, with everything written down: comes back with its last id, to another gateway if there is one. */
export class FaultReader {
  readonly #plan: ReaderPlan;
  readonly #world: ReaderWorld;
  #socket: Socket | undefined;
  #stream = 0;
  #port = 0;
  #lastEventId: string | undefined;
  #heardAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #away = false;

  constructor(plan: ReaderPlan, world: ReaderWorld) {
    this.#plan = plan;
    this.#world = world;
  }

  get name(): string {
    return this.#plan.name;
  }

  connect(to: 'another' | 'the same' = 'another'): void {
    if (this.#closed || this.#away) return;
    const ports = this.#world.ports();
    const wanted = ports.filter((port) => (port === this.#port) === (to === 'the same'));
    const choice = wanted.length > 0 ? wanted : ports;
    this.#port = choice[Math.floor(Math.random() * choice.length)] ?? 0;
    this.#heardAt = now();
    const { name: reader } = this.#plan;
    const note: StreamNote = {
      reader,
      stream: this.#stream++,
      gateway: String(this.#port),
      requestedAt: now(),
      lastEventId: this.#lastEventId,
      closedAt: undefined,
    };
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    this.#read(socket, note);
  }

  /** Gives up a stream that has been silent for too long. */
  watch(): void {
    const { silenceLimit } = this.#plan;
    if (silenceLimit > 0 && this.#socket && now() - this.#heardAt > silenceLimit) this.#socket.destroy();
  }

  /** Ends its stream, and does not come back before it is told to. */
  leave(): void {
    this.#away = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  /** With the position that it had: to the gateway that it left, or to another. */
  comeBack(to: 'another' | 'the same'): void {
    if (!this.#away) return;
    this.#away = false;
    this.connect(to);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #read(socket: Socket, note: StreamNote): void {
    const response = new ResponseReader('GET');
    const frames = new FrameReader();
    let answered = false;
    socket.on('connect', () => {
      // A stream that was never asked for, because nobody listens, is none.
      this.#world.stream(note);
      socket.write(this.#request());
    });
    socket.on('data', (bytes) => {
      this.#heardAt = now();
      try {
        const body = response.push(bytes);
        if (response.head && !answered) {
          answered = true;
          if (response.head.status !== 200)
            throw new Error(`status ${response.head.status} ends an EventSource for good`);
        }
        for (const frame of frames.push(body, 0)) this.#take(frame, note);
      } catch (error) {
        this.#world.problem(String(error));
        socket.destroy();
      }
      if (response.complete) socket.destroy();
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => this.#end(socket, note));
  }

  #end(socket: Socket, note: StreamNote): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    note.closedAt = now();
    this.#world.stream(note);
    // Faster than a browser, so that a short run sees many returns; never at the same moment as everybody else.
    if (!this.#closed && !this.#away) this.#timer = setTimeout(() => this.connect(), 20 + Math.random() * 180);
  }

  #request(): string {
    const { user, format } = this.#plan;
    const lines = [
      `GET /?user=${user}&format=${format} HTTP/1.1`,
      `Host: 127.0.0.1:${this.#port}`,
      'Accept: text/event-stream',
    ];
    if (this.#lastEventId !== undefined) lines.push(`Last-Event-ID: ${this.#lastEventId}`);
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  #take(frame: WireFrame, { stream }: StreamNote): void {
    const { name: reader, format } = this.#plan;
    const { id, data } = frame;
    if (id === undefined || data === undefined)
      throw new Error(`a frame without id or data: ${JSON.stringify(frame.text)}`);
    this.#lastEventId = id;
    const meaning = format === 'json' ? readJson(data, id) : readRaw(frame);
    this.#world.frame({ reader, stream, at: now(), id: Number(id), ...meaning });
  }
}

export type Meaning = Pick<Frame, 'kind' | 'channel' | 'revision' | 'text' | 'reason'>;

interface JsonData {
  status?: 'ok' | 'error' | 'failure';
  noop?: boolean;
  reset?: { channel: string; reason: ResetReason };
  channel?: string;
  revision?: number;
  id?: string;
  data?: unknown;
}

export function readJson(data: string, id: string): Meaning {
  const json = JSON.parse(data) as JsonData;
  if (json.status) return { kind: json.status };
  if (json.noop) return { kind: 'noop' };
  if (json.reset) return { kind: 'reset', channel: json.reset.channel, reason: json.reset.reason };
  if (json.id !== id) throw new Error(`id ${id} carries ${data}`);
  return { kind: 'message', channel: json.channel!, revision: json.revision!, text: String(json.data) };
}

const STATUS = /^<message><status>(ok|error|failure)<\/status><\/message>$/;
const RESET = /^<message><reset><channel>([^<]+)<\/channel><reason>([a-z]+)<\/reason><\/reset><\/message>$/;

export function readRaw({ event, data = '' }: WireFrame): Meaning {
  const [, status] = STATUS.exec(data) ?? [];
  if (status) return { kind: status as 'ok' | 'error' | 'failure' };
  if (data === 'noop') return { kind: 'noop' };
  const [, channel, reason] = RESET.exec(data) ?? [];
  if (event === 'reset' && channel) return { kind: 'reset', channel, reason: reason as ResetReason };
  return { kind: 'message', text: data };
}
