import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { endIdle, keepConnections, stopAccepting } from '../../src/http/keep-alive.ts';
import { RawSocket } from '../support/raw-socket.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
/** What Node adds to the time that it tells (ms). */
const ADDED = 1000;

describe('a connection without a request', () => {
  let server: Server;
  let client: RawSocket;

  beforeEach(async () => {
    server = createServer((_, response) => response.end('an answer'));
    keepConnections(server, { told: 1000, kept: 1400 });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    client = new RawSocket((server.address() as AddressInfo).port);
    await client.send(REQUEST).until(/an answer/);
  });

  afterEach(() => {
    client.close();
    server.close();
    server.closeAllConnections();
  });

  it('is kept longer than its client is told, and closed then', async () => {
    expect(client.text).to.match(/Keep-Alive: timeout=1\r\n/);
    const began = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1000 + ADDED + 150));
    expect(client.closed).to.equal(false);
    await client.until(({ ended }) => ended);
    expect(performance.now() - began).to.be.within(1400 + ADDED - 50, 1400 + ADDED + 800);
  });

  it('is not closed while a request has come that nobody has read yet', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000 + ADDED + 200));
    client.send(REQUEST);
    // The event loop stands still beyond the time at which the connection would be closed.
    const until = performance.now() + 600;
    while (performance.now() < until);
    await client.until(/an answer.*an answer/s);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.ended).to.equal(false);
  });

  it('is answered while the server accepts no new ones, until it is ended', async () => {
    const stopped = stopAccepting(server);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.send(REQUEST).until(/an answer.*an answer/s);
    const other = new RawSocket((server.address() as AddressInfo | null)?.port ?? 1);
    await other.until(({ error }) => error === 'ECONNREFUSED');
    client.send(REQUEST);
    // What has come by now is answered, too.
    await endIdle(server);
    await client.until(({ ended }) => ended);
    expect(client.heads).to.have.length(3);
    await stopped;
  });
});
