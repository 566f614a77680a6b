import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { openStreamDoor } from '../../src/http/stream-door.ts';
import { eventually } from '../support/wait.ts';

const HEAD = 'GET /?user=1 HTTP/1.1\r\nHost: a\r\n\r\n';

describe('the door for streams', () => {
  let server: Server;
  let clients: Socket[];

  beforeEach(async () => {
    clients = [];
    server = createServer((_, response) => response.end('by Node'));
    openStreamDoor(server, 500, (socket, { query }) => socket.end(`by the door: ${query}`));
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });

  afterEach(() => {
    for (const client of clients) client.destroy();
    server.close();
  });

  function open(): { client: Socket; read: string[] } {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const read: string[] = [];
    client.on('data', (chunk) => read.push(String(chunk)));
    clients.push(client);
    return { client, read };
  }

  it('takes a plain request for a stream', async () => {
    const { client, read } = open();
    client.write(HEAD);
    await once(client, 'close');
    expect(read.join('')).to.equal('by the door: user=1');
  });

  it('leaves others to Node, and what follows on their connection', async () => {
    const { client, read } = open();
    client.write('GET /status HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => /by Node/.test(read.join('')));
    client.write(HEAD);
    await eventually(() => /by Node(.|\r|\n)*by Node/.test(read.join('')));
  });

  it('leaves a request to Node that comes in pieces', async () => {
    const { client, read } = open();
    client.setNoDelay(true).write(HEAD.slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.write(HEAD.slice(20));
    await eventually(() => /by Node/.test(read.join('')));
  });

  it('has connections without a request looked at once a second', async () => {
    let looks = 0;
    const pending = { add: () => undefined, delete: () => undefined, rest: () => undefined, thin: () => looks++ };
    server.close();
    server = createServer();
    openStreamDoor(server, 500, () => undefined, { pending });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await eventually(() => looks > 0, 3000);
  });

  it('closes at once what ends without a request, and says so if one had begun', async () => {
    server.close();
    server = createServer();
    const reasons: string[] = [];
    openStreamDoor(server, 60_000, (socket) => socket.destroy(), {
      unfinished: (socket, reason) => {
        reasons.push(reason);
        socket.end('unfinished');
      },
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    for (const text of ['', 'GET /str']) {
      const { client, read } = open();
      client.end(text);
      await once(client, 'close');
      expect(read.join('')).to.equal(text === '' ? '' : 'unfinished');
    }
    expect(reasons).to.deep.equal(['ended']);
  }).timeout(5000);

  it('closes what stays silent, sooner while the server is being closed', async () => {
    const silent = open().client;
    await once(silent, 'connect');
    await once(silent, 'close');
    const last = open().client;
    await once(last, 'connect');
    const closed = once(server, 'close');
    server.close();
    await closed;
  });
});
