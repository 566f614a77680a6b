import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { Counters } from '../../src/counters.ts';
import { PendingHeads } from '../../src/http/pending-heads.ts';
import { listenForRequests } from '../../src/http/requests.ts';
import { openStreamDoor } from '../../src/http/stream-door.ts';
import { eventually } from '../support/wait.ts';

describe('connections without a request', () => {
  let now: number;
  let counters: Counters;
  let logged: string[];
  let pending: PendingHeads;
  let closed: string[];

  beforeEach(() => {
    [now, counters, logged, closed] = [0, new Counters(), [], []];
    const log = { warnOnce: (_: string, { event }: { event: string }) => void logged.push(event) };
    pending = new PendingHeads({ counters, log, most: 2, now: () => now });
  });

  function connected(name: string): Socket {
    const socket = { destroy: () => closed.push(name) } as unknown as Socket;
    pending.add(socket);
    return socket;
  }

  it('are left alone while they are few', async () => {
    connected('a');
    connected('b');
    now = 9000;
    pending.thin();
    await turn();
    expect([closed, logged]).to.deep.equal([[], []]);
  });

  it('are closed oldest first while they are too many, but not within their first seconds', async () => {
    for (const name of ['a', 'b', 'c', 'd']) {
      connected(name);
      now += 300;
    }
    now = 3100;
    pending.thin();
    await turn();
    expect(closed).to.deep.equal(['a']);
    now = 3900;
    pending.thin();
    await turn();
    expect(closed).to.deep.equal(['a', 'b']);
    expect([logged, counters.snapshot().dropped, pending.size]).to.deep.equal([
      ['heads_dropped', 'heads_dropped'],
      2,
      2,
    ]);
  });

  it('are closed after a second if few files are left', async () => {
    connected('a');
    now = 950;
    connected('b');
    now = 1010;
    pending.hurry();
    pending.hurry();
    await turn();
    expect([closed, pending.size]).to.deep.equal([['a'], 1]);
  });

  it('are closed between two requests only if few files are left', async () => {
    const kept = connected('a');
    pending.delete(kept);
    pending.rest(kept);
    now = 5000;
    for (const name of ['b', 'c', 'd']) connected(name);
    pending.thin();
    await turn();
    expect(closed).to.deep.equal([]);
    pending.hurry();
    await turn();
    expect(closed).to.deep.equal(['a']);
    expect(counters.snapshot().dropped, 'it had its response').to.equal(0);
  });

  it('are not closed if their head arrives in this turn of the event loop', async () => {
    const late = connected('a');
    now = 5000;
    pending.hurry();
    pending.delete(late);
    await turn();
    expect(closed).to.deep.equal([]);
  });
});

describe('the door for streams, which knows the connections without a request', () => {
  let server: Server;
  let pending: PendingHeads;
  let clients: Socket[];

  beforeEach(async () => {
    clients = [];
    pending = new PendingHeads({ counters: new Counters(), log: { warnOnce: () => undefined } });
    server = createServer();
    const open = (): void => undefined;
    listenForRequests(server, (_, response) => response.end('by Node'), open, pending);
    openStreamDoor(server, 10_000, open, { pending });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });

  afterEach(() => {
    for (const client of clients) client.destroy();
    server.close();
  });

  function send(text: string): Socket {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write(text);
    clients.push(client);
    return client;
  }

  for (const [what, first, rest] of [
    ['a stream in one piece', '', 'GET /?user=1 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a stream in pieces', 'GET /?user=1 HTTP/1.1\r\nHos', 't: a\r\n\r\n'],
    ['another request', 'GET /status HTTP/1.1\r\n', 'Host: a\r\n\r\n'],
    ['a request with a body', 'POST /publish HTTP/1.1\r\n', 'Host: a\r\nContent-Length: 9\r\n\r\n'],
  ] as const) {
    it(`counts one until its head is whole: ${what}`, async () => {
      const client = send(first);
      await eventually(() => pending.size === 1);
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(pending.size).to.equal(1);
      client.write(rest);
      await eventually(() => pending.size === 0);
    });

    it(`forgets one that ends before: ${what}`, async () => {
      const client = send(first);
      await eventually(() => pending.size === 1);
      client.destroy();
      await eventually(() => pending.size === 0);
    });
  }
});
