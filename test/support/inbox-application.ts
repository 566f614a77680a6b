import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  id: string;
  time: number;
  session: string;
  user: string;
  data: string;
  /** The body as it came. */
  body: string;
  headers: IncomingHttpHeaders;
}

export interface InboxApplication {
  readonly url: string;
  readonly received: Received[];
  /** What it answers; by default 204. It may hold the request by doing nothing. */
  answer: (letter: Received, response: ServerResponse) => void;
  stop(): Promise<void>;
}

/** An application to which gateways forward what browsers send. */
export async function startInboxApplication(): Promise<InboxApplication> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const letter = { ...(JSON.parse(body) as Omit<Received, 'body' | 'headers'>), body, headers: request.headers };
      received.push(letter);
      application.answer(letter, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const application: InboxApplication = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/inbox`,
    received,
    answer: (_letter, response) => response.writeHead(204).end(),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return application;
}
