import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { handOn } from './hand-on.ts';

/**
 * What the front does with requests for streams: hands them on; answers as if there were no gateway; answers something else; or keeps each answer until it
 * has ended.
 */
export type Mood = 'pass' | 'bad gateway' | 'page' | 'nothing' | 'buffer';

const PAGE = `<!doctype html><title>client</title><script type="module">
import { Sisyphus } from '/client.js';
import { poll } from '/client/poll.js';

window.begin = ({ load, polls, tokens, ...options }) => {
  const through = polls ? [poll({ patience: 700, retry: 2500 })] : [];
  const credential = tokens && (async () => (await fetch('/token')).text());
  const stream = new Sisyphus('/stream', { ...options, through, ...(credential && { credential }) });
  window.got = [];
  window.words = [];
  stream.on('message', ({ data }) => window.got.push(data));
  stream.on('status', ({ state, reason }) => window.words.push(reason ? state + ' ' + reason : state));
  stream.on('reset', ({ reason }) => window.words.push('reset ' + reason));
  if (load) {
    const read = async ({ signal }) => (await fetch('/state?channel=' + load, { signal })).json();
    stream.load(load, read, (state) => { window.got = [...state]; });
  }
  window.stream = stream;
};
window.addEventListener('pageshow', ({ persisted }) => { window.wasCached ||= persisted; });
window.isReady = true;
</script>`;

export interface FrontOptions {
  gateway: number;
  /** Answers `/token`. */
  token?: () => Promise<string>;
  /** Answers `/state`. */
  state?: (channel: string) => unknown;
}

/** A site: pages of its own, and the gateway behind it. */
export class Front {
  mood: Mood = 'pass';
  gateway: number;
  readonly #options: FrontOptions;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.gateway = options.gateway;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket.on('close', () => this.#sockets.delete(socket)));
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const { token, state } = this.#options;
    if (pathname === '/page' || pathname === '/other') response.setHeader('Content-Type', 'text/html').end(PAGE);
    else if (pathname === '/token') response.end(await token?.());
    else if (pathname === '/state') response.end(JSON.stringify(state?.(searchParams.get('channel') ?? '') ?? []));
    else if (pathname === '/stream' && this.mood === 'page') response.setHeader('Content-Type', 'text/html').end(PAGE);
    else if (pathname === '/stream' && this.mood === 'nothing') response.writeHead(204).end();
    else if (pathname === '/stream' && this.mood === 'bad gateway') response.writeHead(502).end('no gateway');
    else handOn(request, response, `http://127.0.0.1:${this.gateway}`, this.mood === 'buffer');
  }
}
