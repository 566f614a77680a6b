import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An application that is asked who a client is. `answer` may be replaced at any time. */
export class Application {
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => {
    response.writeHead(401).end();
  };
  /** The heads of all requests so far. */
  readonly requests: IncomingMessage['headers'][] = [];
  connections = 0;
  readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      this.requests.push(request.headers);
      this.answer(request, response);
    });
    this.server.on('connection', () => this.connections++);
  }

  /** @returns the address to ask */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/me`;
  }

  /** Answers every request with this user. */
  says(user: string): void {
    this.answer = (_request, response) => response.writeHead(204, { 'X-Sisyphus-User': user }).end();
  }

  /** Answers every request with this object as JSON. */
  saysJson(body: unknown): void {
    this.answer = (_request, response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
