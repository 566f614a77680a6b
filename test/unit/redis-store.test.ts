import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { createLogger } from '../../src/logger.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { resourcesOf } from '../support/resources.ts';
import { eventually } from '../support/wait.ts';

describe('a store in Redis', () => {
  /** Counts connections, and answers none. */
  let server: Server;
  let connections: number;
  const stores: RedisStore[] = [];
  beforeEach(async () => {
    connections = 0;
    server = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    server.close();
  });

  function aStore(rawChannels: string[] = []): RedisStore {
    const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const backlog = { length: 100, ttl: 1000, rules: [] };
    const store = new RedisStore({ url, logger: createLogger('silent'), backlog, maxMessage: 1000, rawChannels });
    stores.push(store);
    return store;
  }

  it('connects when it is started, and not before', async () => {
    expect(resourcesOf(() => [aStore(), aStore(['*:*'])])).to.deep.equal([]);
    const [store, recording] = stores as [RedisStore, RedisStore];
    await pause(20);
    expect(connections).to.equal(0);
    store.start();
    await eventually(() => connections === 3);
    recording.start();
    await eventually(() => connections === 7);
  });

  it('connects once, however often it is started', async () => {
    const store = aStore();
    store.start();
    store.start();
    await eventually(() => connections >= 3);
    await pause(20);
    expect(connections).to.equal(3);
  });

  it('can be closed before it is started, and twice, and is not opened again', async () => {
    const store = aStore(['*:*']);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    store.start();
    await pause(20);
    expect(connections).to.equal(0);
    expect(await store.ping()).to.equal(false);
  });
});
