import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { HttpRequest } from '../../src/auth/http-request.ts';
import { openMode } from '../../src/auth/open.ts';
import { Flusher } from '../../src/connection/flusher.ts';
import { Counters } from '../../src/counters.ts';
import { BoundedLog } from '../../src/http/bounded-log.ts';
import { ClientLimits } from '../../src/http/client-limits.ts';
import type { HttpContext } from '../../src/http/context.ts';
import { streamOpener } from '../../src/http/routes/stream.ts';
import { StreamHeads } from '../../src/http/stream-head.ts';
import { Hub } from '../../src/hub/hub.ts';
import { createLogger } from '../../src/logger.ts';
import { COMMAND, FOLLOWING, OPENING, RECONNECTING, SETTLING, TESTIMONY, TURN } from '../../src/patience.ts';
import { SessionRegistry } from '../../src/session/session-registry.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { eventually } from '../support/wait.ts';

/** What the contract says (ms). */
const PROMISED = 2000;
const logger = createLogger('silent');
const MANY = { most: 1000, isPublicOnly: false };
const never = (): Promise<never> => new Promise(() => undefined);

/** How a store stands still: in which of the steps that a stream takes before its `ok`. */
const STEPS: Record<string, (store: MemoryStore, hub: Hub) => void> = {
  'its channels': ({ source }) => {
    source.subscribe = never;
  },
  'the hub': (_store, hub) => hub.down(),
  'its list': ({ backlog }) => {
    backlog.rights = never;
  },
  'what is not recorded': ({ source, backlog }) => {
    const { rights } = backlog;
    backlog.rights = async (users) =>
      (await rights.call(backlog, users)).map((one) => one && { ...one, unsettled: true });
    source.settle = never;
  },
  'what it missed': ({ backlog }) => {
    backlog.open = never;
  },
};

describe('a client, where Redis cannot be reached', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A gateway whose store stands still in this step; it has nothing but streams. */
  async function aGateway(stop: (store: MemoryStore, hub: Hub) => void): Promise<Server> {
    const retention = () => ({ length: 10, ttl: 3_600_000 });
    const store = new MemoryStore({ retention, maxMessage: 1000 });
    const { backlog, source } = store;
    const recordsPlain = () => true;
    const counters = new Counters();
    const hub = new Hub({ source, backlog, counters, recordsPlain, retention, logger });
    const limits = {
      noopInterval: 10_000,
      maxStreams: 1000,
      maxStreamsPerUser: 1000,
      maxBuffer: 10_000,
      workers: 1,
      publicChannels: [],
    };
    const sessions = new SessionRegistry({ ...limits, hub, backlog, counters, logger });
    const flusher = new Flusher();
    const context = {
      config: limits,
      hub,
      backlog,
      sessions,
      flusher,
      counters,
      recordsPlain,
      logger,
      isDraining: () => false,
    };
    const openStream = streamOpener(context as unknown as HttpContext, {
      heads: new StreamHeads([]),
      log: new BoundedLog(logger),
      limits: new ClientLimits({
        trustedProxies: [],
        maxStreamsPerAddress: MANY,
        maxFailures: MANY,
        maxOpens: 1000,
        logAddresses: 'on',
      }),
      descriptors: { roomFor: () => 'enough' },
      authenticator: openMode,
    });
    hub.start();
    await eventually(() => hub.isOpen);
    stop(store, hub);
    const server = createServer((socket) =>
      openStream(socket.resume(), new HttpRequest('GET', '/?user=7&overlap=1', [], {})),
    );
    closing.push(
      () => hub.close(),
      () => store.close(),
      () => server.close(),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return server;
  }

  async function told(server: Server): Promise<{ text: string; after: number }> {
    const began = performance.now();
    const client = new RawSocket((server.address() as AddressInfo).port);
    closing.push(() => client.close());
    await client.until(/<status>/, 4000);
    return { text: client.text, after: performance.now() - began };
  }

  it('is told within 2 s, whichever step takes the time, and whether it is the turn of its stream', async () => {
    const servers = await Promise.all(Object.values(STEPS).map(aGateway));
    const crowd = servers[2]!;
    const answers = await Promise.all([
      ...servers.map(told),
      // As many as may open at a time, and more that wait for them.
      ...Array.from({ length: 210 }, () => told(crowd)),
    ]);
    for (const [i, { text, after }] of answers.entries()) {
      const step = Object.keys(STEPS)[i] ?? 'its turn';
      expect(text, step).to.match(/<status>error<\/status>/);
      // What this process does with its other tests takes its part, too.
      expect(after, step).to.be.below(PROMISED + 200);
    }
    expect(answers.filter(({ text }) => /: busy/.test(text))).to.have.length.within(10, 11);
  });

  it('is told so late that the frame has time to get there, and each step has time to be done', () => {
    expect(PROMISED - OPENING).to.be.at.least(250);
    expect(OPENING - TURN, 'to open a stream whose turn came last').to.be.at.least(500);
    for (const step of [TURN, FOLLOWING, SETTLING, TESTIMONY, RECONNECTING]) expect(step).to.be.below(OPENING);
    expect(TESTIMONY, 'so that who comes while a fork is judged is let in').to.be.below(FOLLOWING);
    expect(COMMAND).to.be.at.most(PROMISED);
  });
});
