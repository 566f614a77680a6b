import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { handOn } from './hand-on.ts';

type Answer = () => string | Promise<string>;

/** The pages of an application, with the gateway behind it at the same origin. */
export class PageServer {
  /** The bodies, by path. */
  readonly pages: Record<string, Answer> = {};
  /** The paths that were passed on to the gateway. */
  readonly passed: string[] = [];
  readonly #server: Server;

  /** @param gateway the address of it */
  constructor(gateway: string) {
    this.#server = createServer((request, response) => {
      const path = request.url!.replace(/\?.*/, '');
      const page = this.pages[path];
      if (page) {
        response.setHeader('Content-Type', typeOf(path));
        Promise.resolve(page()).then(
          (body) => response.end(body),
          (error: Error) => response.writeHead(500).end(error.stack),
        );
        return;
      }
      this.passed.push(path);
      handOn(request, response, gateway);
    });
  }

  async listen(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks all connections. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}

function typeOf(path: string): string {
  if (path.endsWith('.js')) return 'text/javascript; charset=utf-8';
  return path.startsWith('/rooms/') ? 'application/json' : 'text/html; charset=utf-8';
}
