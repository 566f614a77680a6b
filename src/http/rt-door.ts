import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRequest } from '../auth/http-request.ts';
import type { ErrorAnswers } from './error-answers.ts';
import { TOLD } from './keep-alive.ts';
import type { LongPolls } from './long-polls.ts';
import { corsHeaders } from './middleware/cors.ts';
import { Origins } from './origins.ts';
import { PAGE_HEADERS } from './page-headers.ts';
import { pollRevisions, TAKING } from './poll-revisions.ts';
import type { Next } from './stream-door.ts';
import { utcDate } from './utc-date.ts';

/** The most bytes that a client may send before it has the answer to its poll. */
const MOST_EARLY = 64 * 1024;

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };

const PAGE_LINES = linesOf(PAGE_HEADERS);
const LAST = 'Connection: close\r\n';
const STAYS = `Connection: keep-alive\r\nKeep-Alive: timeout=${TOLD / 1000}\r\n`;

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Answers long polls that the door of streams has read. A poll that waits in Node's HTTP takes 53 KB, and one that waits here 14; its
 * connection stays open for the next one.
 */
export class RtDoor {
  readonly #polls: LongPolls;
  readonly #errors: ErrorAnswers;
  readonly #origins: Origins;

  constructor(polls: LongPolls, errors: ErrorAnswers) {
    this.#polls = polls;
    this.#errors = errors;
    this.#origins = new Origins(polls.context.config.origins);
  }

  open(socket: Socket, request: HttpRequest, next: Next): void {
    const { method, path: url } = request;
    const waiting = new WaitingClient(socket, request);
    pollRevisions(this.#polls, socket, request).then(
      (found) => found && this.#send(socket, { status: 200, ...found }, waiting, next),
      (thrown: unknown) => {
        const { status, headers, body } = this.#errors.of(thrown, { method, url }, () => request);
        const answer = { status, headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(body) };
        this.#send(socket, answer, waiting, next);
      },
    );
  }

  #send(socket: Socket, answer: Answer, waiting: WaitingClient, next: Next): void {
    if (socket.destroyed) return;
    const early = waiting.end();
    const isLast = waiting.isLast || this.#polls.context.isDraining();
    const isTaken = socket.write(this.#encode(answer, waiting.origin, isLast));
    if (!isTaken) limit(socket);
    if (isLast) {
      socket.on('error', ignore).end();
      limit(socket);
    } else next(socket, early);
  }

  #encode({ status, headers, body }: Answer, origin: string, isLast: boolean): string {
    const own = `${linesOf(headers)}Date: ${utcDate()}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    const cors = this.#origins.size === 0 ? '' : linesOf(corsHeaders(this.#origins, origin));
    return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${own}${cors}${PAGE_LINES}${isLast ? LAST : STAYS}\r\n${body}`;
  }
}

function linesOf(headers: Readonly<Record<string, string>>): string {
  let lines = '';
  for (const name in headers) lines += `${name}: ${headers[name]}\r\n`;
  return lines;
}

/** The connection of a poll that waits: its client may leave, or send its next request early. */
class WaitingClient {
  /** Whether the client wants the connection to be closed behind the answer. */
  readonly isLast: boolean;
  readonly origin: string;
  readonly #socket: Socket;
  #early: Buffer | undefined;

  constructor(socket: Socket, request: HttpRequest) {
    this.#socket = socket;
    this.isLast = request.valuesOf('connection').some(isClose);
    this.origin = request.valuesOf('origin').join(', ');
    socket.on('data', this.#take).on('end', leave).on('error', ignore);
  }

  /** @returns what the client has sent meanwhile */
  end(): Buffer | undefined {
    this.#socket.off('data', this.#take).off('end', leave).off('error', ignore);
    return this.#early;
  }

  readonly #take = (chunk: Buffer): void => {
    this.#early = this.#early ? Buffer.concat([this.#early, chunk]) : chunk;
    if (this.#early.length > MOST_EARLY) this.#socket.destroy();
  };
}

/** A client that ends its side expects nothing more. */
function leave(this: Socket): void {
  this.destroy();
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
