import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const COOKIE = 'connect.sid';

type Session = Record<string, unknown>;
type Handler = (request: IncomingMessage & { session: Session }, response: Response) => unknown;

interface CookieOptions {
  path?: string;
  maxAge?: number;
  httpOnly?: boolean;
}

/**
 * An application with sessions in cookies, and with as much of Express and express-session as the examples of the documents use. It has
 * `/login?user=7` and `/logout` of its own. Its sessions outlive a restart.
 */
export class ExpressLike {
  /** How long each answer takes (ms). */
  delay = 0;
  /** The heads of all requests that its examples have answered. */
  readonly requests: IncomingMessage['headers'][] = [];
  readonly #routes = new Map<string, Handler>();
  readonly #sessions = new Map<string, Session>();
  #server: Server | undefined;
  #port = 0;

  constructor() {
    this.#routes.set('GET /login', (request, response) => {
      request.session.user = Number(new URL(request.url!, 'http://localhost').searchParams.get('user'));
      response.setHeader('Set-Cookie', this.#createCookie(request.session));
      response.end();
    });
    this.#routes.set('GET /logout', (request, response) => {
      delete request.session.user;
      response.end();
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Runs a block of code as a module that adds routes to `app`. @param env what it finds in `process.env` */
  async run(text: string, env: Record<string, string> = {}): Promise<void> {
    const add = (method: string) => (path: string, handler: Handler) => this.#routes.set(`${method} ${path}`, handler);
    Object.assign(globalThis, { example: { app: { get: add('GET'), post: add('POST') }, process: { env } } });
    // Without a number of its own, a module that is imported again would not run again.
    const code = `// ${randomUUID()}\nconst { app, process } = globalThis.example;\n${text}`;
    await import(`data:text/javascript,${encodeURIComponent(code)}`);
  }

  /** Listens on the port that it had before, if it had one. */
  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      setTimeout(() => this.#answer(request as Parameters<Handler>[0], new Response(response)), this.delay);
    });
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server!.close(resolve));
    this.#server!.closeAllConnections();
    await closed;
  }

  /** @returns the cookie of a session of this user */
  async logIn(user: number): Promise<string> {
    const { headers } = await fetch(`http://127.0.0.1:${this.#port}/login?user=${user}`);
    return headers.getSetCookie()[0]!.split(';')[0]!;
  }

  async logOut(cookie: string): Promise<void> {
    await fetch(`http://127.0.0.1:${this.#port}/logout`, { headers: { cookie } });
  }

  #createCookie(session: Session): string {
    const name = randomUUID();
    this.#sessions.set(name, session);
    return `${COOKIE}=${name}; Path=/; HttpOnly`;
  }

  #answer(request: Parameters<Handler>[0], response: Response): void {
    const path = request.url!.split('?')[0];
    const handler = this.#routes.get(`${request.method} ${path}`);
    const [, name = ''] = /connect\.sid=([^;]+)/.exec(request.headers.cookie ?? '') ?? [];
    request.session = this.#sessions.get(name) ?? {};
    this.requests.push(request.headers);
    // What frameworks send with each page: nginx must not send them on with a stream.
    response.set({ 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'private', ETag: '"1"' });
    if (handler) handler(request, response);
    else response.status(404).end();
  }
}

/** The part of Express's response that the examples use. */
class Response {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  status(code: number): this {
    this.#response.statusCode = code;
    return this;
  }

  set(headers: Record<string, string>): this {
    for (const [name, value] of Object.entries(headers)) this.#response.setHeader(name, value);
    return this;
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  cookie(name: string, value: string, { path = '/', maxAge, httpOnly }: CookieOptions = {}): this {
    const age = maxAge === undefined ? '' : `; Max-Age=${maxAge / 1000}`;
    this.#response.appendHeader('Set-Cookie', `${name}=${value}; Path=${path}${age}${httpOnly ? '; HttpOnly' : ''}`);
    return this;
  }

  json(body: unknown): void {
    this.set({ 'Content-Type': 'application/json; charset=utf-8' }).#response.end(JSON.stringify(body));
  }

  end(): void {
    this.#response.end();
  }
}
