import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/run.ts';

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** One command line in this process, with an environment and a standard input of its own. */
export async function runCommand(
  args: string[],
  { env = {}, stdin = '' }: { env?: Record<string, string>; stdin?: string | Buffer } = {},
): Promise<CommandResult> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const code = await run(args, { env, stdin: Readable.from([Buffer.from(stdin as string)]), stdout, stderr });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

export class Collector extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface FakeRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** An HTTP server that notes what it is asked, and answers as told. */
export class FakeGateway {
  readonly requests: FakeRequest[] = [];
  readonly #server;

  constructor(answer: (request: FakeRequest, response: ServerResponse, count: number) => void) {
    this.#server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      const { method = '', url = '', headers } = request;
      const noted = { method, path: url, headers, body };
      this.requests.push(noted);
      answer(noted, response, this.requests.length);
    });
  }

  async start(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
