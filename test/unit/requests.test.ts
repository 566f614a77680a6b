import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect } from 'chai';
import { Counters } from '../../src/counters.ts';
import { BoundedLog } from '../../src/http/bounded-log.ts';
import { exchangeOf } from '../../src/http/exchange.ts';
import { inTurn, leaveHttp } from '../../src/http/leave-http.ts';
import { listenForRequests } from '../../src/http/requests.ts';
import { openStreamDoor } from '../../src/http/stream-door.ts';
import { StreamHeads } from '../../src/http/stream-head.ts';
import { answerUnfinished, answerUnreadable } from '../../src/http/unreadable.ts';
import type { Position } from '../../src/message/position.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { eventually } from '../support/wait.ts';

const STREAM = 'GET /?user=1 HTTP/1.0\r\n\r\n';

/** The gateway's own HTTP with little patience, in front of streams that say what the test wants to be said. */
describe('the requests that Node reads', () => {
  let server: Server;
  let streams: Socket[];
  let lines: string[];
  let clients: RawSocket[];

  beforeEach(async () => {
    streams = [];
    lines = [];
    clients = [];
    const write = (line: object) => void lines.push(JSON.stringify(line));
    const log = new BoundedLog({ info: write, warn: write } as ConstructorParameters<typeof BoundedLog>[0]);
    const open = (socket: Socket): void => {
      streams.push(socket);
      socket.write('a stream\n');
    };
    server = createServer({
      headersTimeout: 100,
      requestTimeout: 150,
      connectionsCheckingInterval: 20,
      maxHeaderSize: 4 * 64 * 1024,
    });
    server.keepAliveTimeout = 50;
    const handle: Parameters<typeof listenForRequests>[1] = (request, response) => {
      if (request.url?.startsWith('/?')) {
        exchangeOf(request.socket).isStream = true;
        inTurn(response, (socket) => {
          leaveHttp(socket);
          open(socket);
        });
      } else if (request.method === 'POST') request.resume().once('end', () => response.end('a body'));
      else setTimeout(() => response.end('an answer'), 50);
    };
    listenForRequests(server, handle, open);
    const position = () => 7 as Position;
    const addressOf = () => undefined;
    const unreadable = { log, heads: new StreamHeads([]), position, counters: new Counters(), addressOf };
    answerUnreadable(server, unreadable);
    openStreamDoor(server, 200, open, { unfinished: (socket, reason) => answerUnfinished(socket, reason, unreadable) });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });

  afterEach(() => {
    for (const client of clients) client.close();
    for (const socket of streams) socket.destroy();
    server.close();
    server.closeAllConnections();
  });

  function connect(text: string): RawSocket {
    const client = new RawSocket((server.address() as AddressInfo).port).send(text);
    clients.push(client);
    return client;
  }

  const BEHIND: Record<string, string> = {
    nothing: '',
    'bytes that are no request': 'hello\r\n\r\n',
    'a request': 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'half a request': 'GET /x HTTP/1.1\r\nHo',
    'a request with a body that does not come': 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n',
    'a request that expects an answer before its body':
      'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n',
    'a request for a tunnel': 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'another stream': STREAM,
  };

  for (const [what, behind] of Object.entries(BEHIND)) {
    it(`write nothing into an open stream: behind it ${what}, in the same packet or later`, async () => {
      const later = connect(STREAM);
      const both = [connect(STREAM + behind), later];
      for (const client of both) await client.until(/a stream/);
      later.send(behind);
      // Longer than every patience.
      await new Promise((resolve) => setTimeout(resolve, 250));
      for (const stream of streams) stream.write('still a stream\n');
      for (const client of both) {
        await client.until(/still a stream/);
        expect(client.text).to.equal('a stream\nstill a stream\n');
      }
      expect(streams).to.have.length(2);
    });
  }

  it('are not even read behind that for a stream, so that none can pile up', async () => {
    let read = 0;
    server.on('request', () => read++);
    const client = connect(STREAM.replace('1.0', '1.1\r\nHost: a\r\nContent-Length: 0'));
    await client.until(/a stream/);
    client.send('GET /x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(read).to.equal(1);
  });

  for (const head of [
    'GET /?user=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf',
    'GET /?user=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'GET /?user=1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n',
  ]) {
    it(`leave a stream alone whose request has a body: ${JSON.stringify(head.slice(33))}`, async () => {
      const client = connect(head);
      await client.until(/a stream/);
      await new Promise((resolve) => setTimeout(resolve, 250));
      streams[0]!.write('still a stream\n');
      await client.until(/still a stream/);
      expect(client.text).to.equal('a stream\nstill a stream\n');
    });
  }

  it('open a stream when its turn has come, and not before', async () => {
    const client = connect(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n${STREAM}`);
    await client.until(/a stream/);
    expect(client.text).to.match(/^HTTP\/1\.1 200 OK\r\n.*an answer.*HTTP\/1\.1 200 OK\r\n.*an answer.*a stream\n$/s);
    expect(client.heads).to.have.length(2);
  });

  it('open a stream in its turn without the answer that its client expects before it', async () => {
    const stream = 'GET /?user=1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n';
    const client = connect(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\n${stream}`);
    await client.until(/a stream/);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.text).to.match(/a stream\n$/);
  });

  it('see that the reader of a stream has gone', async () => {
    const client = connect(STREAM);
    await client.until(/a stream/);
    client.end();
    await once(streams[0]!, 'close');
    expect(exchangeOf(streams[0]!).isStream).to.equal(true);
  });

  for (const [what, behind] of [
    ['a request with a body', `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`],
    ['a body of its own', 'x'.repeat(200_000)],
  ] as const) {
    it(`see that the reader of a stream has gone, also behind ${what}`, async () => {
      const own = what === 'a body of its own' ? 'Content-Length: 200000' : 'A: b';
      const client = connect(`GET /?user=1 HTTP/1.1\r\nHost: a\r\n${own}\r\nExpect: x\r\n\r\n${behind}`);
      await client.until(/a stream/);
      client.end();
      await eventually(() => streams[0]?.destroyed === true, 2000);
    });
  }

  it('are told before their body that it is expected', async () => {
    const client = connect('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    client.send('hello');
    await client.until(/HTTP\/1\.1 200 OK.*a body/s);
  });

  for (const [what, text] of Object.entries({
    'of which nothing but a few bytes comes': 'GET',
    'for a stream of which half comes': 'GET /?user=1 HTTP/1.1\r\nHo',
    'of which half comes': 'GET /x HTTP/1.1\r\nHo',
    'of which half of the body comes': 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf',
  })) {
    it(`are answered 408 where they are late, with a line in the log: one ${what}`, async () => {
      const client = connect(text);
      await client.until(({ ended }) => ended);
      expect(client.heads).to.deep.equal(['HTTP/1.1 408 Request Timeout']);
      expect(client.text).to.match(/"error":"request_timeout"/);
      expect(lines.filter((line) => /request_unreadable.*request_timeout/.test(line))).to.have.length(1);
    });
  }

  it('are answered in their turn where one cannot be read, with a line in the log', async () => {
    const client = connect('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nhello\r\n\r\nhello again\r\n\r\n');
    await client.until(({ ended }) => ended);
    expect(client.heads).to.deep.equal(['HTTP/1.1 200 OK', 'HTTP/1.1 400 Bad Request']);
    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(/request_unreadable.*bad_request.*expected HTTP\/1\.1/);
  });

  it('that cannot be read end their connection, also where the client does not end its side', async () => {
    await connect('hello\r\n\r\n').until(({ ended }) => ended);
    await eventually(async () => {
      const open = await new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
      return open === 0;
    });
  });

  it('are answered once where their body cannot be read', async () => {
    const client = connect('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nzz\r\nzz\r\n');
    await client.until(({ ended }) => ended);
    expect(client.heads).to.deep.equal(['HTTP/1.1 400 Bad Request']);
    expect(lines).to.have.length(1);
  });

  it('that are none say what they seem to be', async () => {
    for (const [text, expected] of [
      ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /this is TLS/],
      ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /this is HTTP\/2/],
      ['GET /?user=J\xc3\xbcrgen HTTP/1.1\r\nHost: a\r\n\r\n', /percent-encoded/],
    ] as const) {
      await connect(text).until(expected);
    }
  });

  it('for streams get a frame where their head is too long, however many packets it comes in', async () => {
    // So many packets may take longer than the little patience of the other tests.
    server.headersTimeout = server.requestTimeout = 10_000;
    for (const size of [66_000, 200_000, 300_000]) {
      for (const piece of [7, 4_000, 1_000_000]) {
        const filler = `X: ${'x'.repeat(1000)}\r\n`.repeat(size / 1000);
        const text = `GET /stream?user=1 HTTP/1.1\r\nHost: a\r\n${filler}\r\n`;
        const pieces = [];
        // Small ones at the beginning, where it has to be seen what is asked for.
        for (let i = 0; i < text.length; i += i < 100 ? piece : 60_000) {
          pieces.push(text.slice(i, i + (i < 100 ? piece : 60_000)));
        }
        const client = connect('');
        // Pieces that come before the server has accepted the connection are read as one.
        await new Promise((resolve) => setTimeout(resolve, 10));
        void client.sendPieces(pieces, 1);
        // Node shows a head up to 256 KB, so that it comes to whoever opens streams; of a longer one nobody knows more than its beginning.
        if (size < 262_144) await client.until(/a stream/);
        else
          await client.until(
            /^HTTP\/1\.1 200 OK.*text\/event-stream.*id: 7\ndata: .*failure.*\n: headers_too_large\n\n$/s,
          );
        client.close();
      }
    }
  });
});
