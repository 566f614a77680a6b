import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRequest } from '../auth/http-request.ts';
import type { ErrorAnswers } from './error-answers.ts';
import { TOLD } from './keep-alive.ts';
import type { LongPolls } from './long-polls.ts';
import { corsHeaders } from './middleware/cors.ts';
import { PAGE_HEADERS } from './page-headers.ts';
import { pollRevisions, TAKING } from './poll-revisions.ts';
import type { Next } from './stream-door.ts';

/** The most bytes that a client may send before it has the answer to its poll. */
const MOST_EARLY = 64 * 1024;

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Answers long polls that the door of streams has read. A poll that waits in Node's HTTP takes 53 KB, and one that waits here 12; its
 * connection stays open for the next one.
 */
export class RtDoor {
  readonly #polls: LongPolls;
  readonly #errors: ErrorAnswers;
  readonly #origins: ReadonlySet<string>;

  constructor(polls: LongPolls, errors: ErrorAnswers) {
    this.#polls = polls;
    this.#errors = errors;
    this.#origins = new Set(polls.context.config.origins);
  }

  async open(socket: Socket, request: HttpRequest, next: Next): Promise<void> {
    const waiting = new WaitingClient(socket);
    const answer = await this.#answer(socket, request);
    if (!answer || socket.destroyed) return;
    const early = waiting.end();
    const isLast = this.#polls.context.isDraining() || request.valuesOf('connection').some(isClose);
    const isTaken = socket.write(this.#encode(answer, request, isLast));
    if (!isTaken) limit(socket);
    if (isLast) {
      socket.on('error', ignore).end();
      limit(socket);
    } else next(socket, early);
  }

  async #answer(socket: Socket, request: HttpRequest): Promise<Answer | undefined> {
    try {
      const found = await pollRevisions(this.#polls, socket, request);
      return found && { status: 200, ...found };
    } catch (thrown) {
      const { status, headers, body } = this.#errors.of(thrown, { method: request.method, url: request.path });
      const type = { 'Content-Type': 'application/json; charset=utf-8' };
      return { status, headers: { ...type, ...headers }, body: JSON.stringify(body) };
    }
  }

  #encode({ status, headers, body }: Answer, request: HttpRequest, isLast: boolean): string {
    const all = {
      ...PAGE_HEADERS,
      ...corsHeaders(this.#origins, request.valuesOf('origin').join(', ')),
      ...headers,
      Date: new Date().toUTCString(),
      'Content-Length': Buffer.byteLength(body),
      Connection: isLast ? 'close' : 'keep-alive',
      ...(!isLast && { 'Keep-Alive': `timeout=${TOLD / 1000}` }),
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
  }
}

/** The connection of a poll that waits: its client may leave, or send its next request early. */
class WaitingClient {
  readonly #socket: Socket;
  #early: Buffer[] = [];
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).on('data', this.#take).on('end', this.#leave).on('error', ignore);
  }

  /** @returns what the client has sent meanwhile */
  end(): Buffer | undefined {
    this.#socket.off('data', this.#take).off('end', this.#leave).off('error', ignore);
    return this.#bytes > 0 ? Buffer.concat(this.#early) : undefined;
  }

  readonly #take = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    this.#early.push(chunk);
    if (this.#bytes > MOST_EARLY) this.#socket.destroy();
  };

  /** The client expects nothing more when it ends its side. */
  readonly #leave = (): void => void this.#socket.destroy();
}

function isClose(value: string): boolean {
  return /\bclose\b/i.test(value);
}

/** Disconnects a client that does not take the answer in time. */
function limit(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), TAKING).unref();
  const done = (): void => clearTimeout(timer);
  socket.once('close', done);
  if (!socket.writableEnded) socket.once('drain', done);
}

/** Errors need no handling, because `close` follows each. */
function ignore(): void {}
