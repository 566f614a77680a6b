import { expect } from 'chai';
import type { Connection } from '../../src/connection/connection.ts';
import { Counters } from '../../src/counters.ts';
import { Hub } from '../../src/hub/hub.ts';
import type { Reader } from '../../src/hub/subscription.ts';
import { createLogger } from '../../src/logger.ts';
import type { Delivery } from '../../src/message/delivery.ts';
import { BEGINNING } from '../../src/message/position.ts';
import { Session } from '../../src/session/session.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { publishOne } from '../contract/store.ts';
import { eventually } from '../support/wait.ts';

const ROOM = 'room:1';
const logger = createLogger('silent');
const retention = () => ({ length: 100, ttl: 3_600_000 });

/** A connection that keeps what it is given. */
function aConnection(given: Delivery[]): Connection {
  return {
    closed: false,
    transport: 'stream',
    lastSent: 0,
    onClose: () => undefined,
    open: () => undefined,
    message: (delivery) => given.push(delivery),
    reset: () => undefined,
    denied: () => undefined,
    noop: () => undefined,
    drained: async () => undefined,
    acknowledged: () => undefined,
    close: () => undefined,
  };
}

const counters = new Counters();

function aReader(given: Delivery[]): Reader {
  const ignore = (): void => undefined;
  const receive = (delivery: Delivery): void => void given.push(delivery);
  return { receive, plain: ignore, changed: ignore, hold: ignore, release: ignore, reset: ignore };
}

describe('a message to many readers', () => {
  let store: MemoryStore;
  let hub: Hub;

  beforeEach(async () => {
    store = new MemoryStore({ retention, maxMessage: 1000 });
    const { source, backlog } = store;
    hub = new Hub({ source, backlog, counters, recordsPlain: () => false, retention, logger });
    hub.start();
    await eventually(() => hub.isOpen);
  });

  afterEach(async () => {
    await hub.close();
    await store.close();
  });

  for (const [count, crowd] of [
    [100, false],
    [101, true],
  ] as const) {
    it(`is one delivery for all ${count} of them, and tells whether they are a crowd`, async () => {
      const given: Delivery[] = [];
      for (let i = 0; i < count; i++) await hub.follow(aReader(given), [ROOM]);
      await publishOne(store, ROOM);
      await eventually(() => given.length === count);
      expect(new Set(given).size).to.equal(1);
      expect(given[0]!.crowd).to.equal(crowd);
    });
  }

  it('is the same delivery for a session that holds it for a while', async () => {
    await store.backlog.grant('7', ROOM);
    const given: Delivery[] = [];
    const live: Delivery[] = [];
    const options = {
      user: '7',
      hub,
      counters,
      backlog: store.backlog,
      logger,
      recordsPlain: () => false,
      maxBuffer: 1000,
    };
    const session = new Session({ ...options, connection: aConnection(given) });
    await session.open({ kind: 'now' });
    await hub.follow(aReader(live), [ROOM]);
    session.hold();
    await publishOne(store, ROOM);
    await eventually(() => live.length === 1);
    expect(given).to.deep.equal([]);
    session.release();
    await eventually(() => given.length === 1);
    expect(given[0]).to.equal(live[0]);
    session.close('client');
  });

  it('is one delivery for all who come back at once and have missed it', async () => {
    const live: Delivery[] = [];
    await hub.follow(aReader(live), [ROOM]);
    const before = (await publishOne(store, ROOM)).id;
    await publishOne(store, ROOM);
    await eventually(() => live.length === 2);
    const [first] = hub.recent(ROOM, before)!;
    expect(hub.recent(ROOM, before)).to.deep.equal([first]);
    expect(hub.recent(ROOM, before)![0]).to.equal(first);
    expect(first!.message.id).to.equal(live[1]!.message.id);
    expect(first!.message.previous).not.to.equal(BEGINNING);
  });
});
