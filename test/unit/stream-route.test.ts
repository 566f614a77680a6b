import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Context } from 'koa';
import type { Authenticator, Identity } from '../../src/auth/authenticator.ts';
import type { HttpRequest } from '../../src/auth/http-request.ts';
import type { Backlog } from '../../src/backlog/backlog.ts';
import { ranges } from '../../src/config/auth-values.ts';
import { Flusher } from '../../src/connection/flusher.ts';
import { Counters } from '../../src/counters.ts';
import { BoundedLog } from '../../src/http/bounded-log.ts';
import { ClientLimits } from '../../src/http/client-limits.ts';
import type { HttpContext } from '../../src/http/context.ts';
import { listenForRequests } from '../../src/http/requests.ts';
import { streamOpener, stream as streamRoute } from '../../src/http/routes/stream.ts';
import { openStreamDoor } from '../../src/http/stream-door.ts';
import { StreamHeads } from '../../src/http/stream-head.ts';
import { Hub } from '../../src/hub/hub.ts';
import { createLogger } from '../../src/logger.ts';
import { SessionRegistry } from '../../src/session/session-registry.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { openStream, type RawRequest, type RawStream } from '../support/raw-stream.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const logger = createLogger('silent');
/** For clients of the internet; those of this machine are not counted. */
const FEW = { most: 2, isPublicOnly: true };
const MAX_STREAMS = 3;

/** What an authenticator was asked, and the way to answer it. */
interface Asked {
  request: HttpRequest;
  signal: AbortSignal;
  answer: (identity: Identity) => void;
}

describe('a stream whose client has to be identified', () => {
  let server: Server;
  let hub: Hub;
  let sessions: SessionRegistry;
  let asked: Asked[];
  let clients: RawStream[];
  let counters: Counters;
  let listsRead: number;
  let readList: Backlog['rights'];
  let draining: boolean;

  beforeEach(async () => {
    [asked, clients, counters, listsRead, draining] = [[], [], new Counters(), 0, false];
    const authenticator: Authenticator = {
      parameters: ['ticket'],
      asks: true,
      authenticate: (request, signal) => new Promise((answer) => asked.push({ request, signal, answer })),
    };
    const retention = () => ({ length: 10, ttl: 60_000 });
    const { backlog, source } = new MemoryStore({ retention, maxMessage: 1000 });
    readList = backlog.rights.bind(backlog);
    backlog.rights = (users) => {
      listsRead++;
      return readList(users);
    };
    const recordsPlain = (): boolean => false;
    hub = new Hub({ source, backlog, counters, recordsPlain, retention, logger });
    hub.start();
    const bounds = { maxBuffer: 1_000_000, maxStreams: MAX_STREAMS, maxStreamsPerUser: 2, maxChannels: 3, workers: 1 };
    const config = { ...bounds, rights: 'both', noopInterval: 60_000, publicChannels: [] };
    sessions = new SessionRegistry({ ...config, maxStreamsPerAddress: FEW.most, hub, backlog, counters, logger });
    sessions.start();
    const flusher = new Flusher();
    const trustedProxies = ranges('127.0.0.1');
    const isDraining = (): boolean => draining;
    const context = { config, counters, logger, hub, backlog, sessions, flusher, recordsPlain, isDraining } as unknown;
    const open = streamOpener(context as HttpContext, {
      authenticator,
      heads: new StreamHeads([]),
      log: new BoundedLog(logger),
      limits: new ClientLimits({
        trustedProxies,
        maxStreamsPerAddress: FEW,
        maxFailures: FEW,
        maxOpens: 1000,
        logAddresses: 'on',
      }),
      descriptors: { roomFor: () => 'enough' },
    });
    server = createServer();
    const route = streamRoute(open);
    listenForRequests(server, (req, res) => route({ req, res, method: req.method } as Context), open);
    openStreamDoor(server, 1000, open);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await eventually(() => hub.isOpen);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    sessions.stop();
    await hub.close();
    server.close();
  });

  function come(request: Omit<RawRequest, 'port'> = {}): RawStream {
    const client = openStream({ port: (server.address() as AddressInfo).port, path: '/', ...request });
    clients.push(client);
    return client;
  }

  /** A client that the authenticator has been asked about. */
  async function ask(request: Omit<RawRequest, 'port'> = {}): Promise<RawStream & Asked> {
    const before = asked.length;
    const client = come(request);
    await eventually(() => asked.length > before);
    return Object.assign(client, asked[before]);
  }

  for (const [way, version] of [
    ['the door for streams', '1.1'],
    ['Node', '1.0'],
  ] as const) {
    it(`shows the whole request, read by ${way}`, async () => {
      const headers: [string, string][] = [
        ['Authorization', 'Bearer a'],
        ['Cookie', 'a=1'],
        ['cookie', 'b=2'],
      ];
      const { request } = await ask({ path: '/stream?ticket=x&ticket=y', headers, version });
      expect([request.method, request.path, request.query.getAll('ticket')]).to.eql(['GET', '/stream', ['x', 'y']]);
      expect(request.rawHeaders.join('\n')).to.contain(headers.flat().join('\n'));
      expect(request.valuesOf('cookie')).to.eql(['a=1', 'b=2']);
      expect(request.remoteAddress).to.equal('127.0.0.1');
    });

    it(`costs nothing if the client leaves meanwhile, read by ${way}`, async () => {
      const leaving = await ask({ version });
      leaving.close();
      await eventually(() => leaving.signal.aborted, 1000);
      leaving.answer({ user: '7' });
      const staying = await ask({ version });
      expect([sessions.streams, listsRead]).to.eql([0, 0]);
      staying.answer({ user: '8' });
      await staying.ok();
      expect(staying.signal.aborted).to.equal(false);
      expect([sessions.streams, sessions.users, listsRead, Object.keys(counters.snapshot().refused).length]).to.eql([
        1, 1, 1, 0,
      ]);
      expect([...hub.subscriptions()]).to.have.length(1);
    });
  }

  it('has nothing done for it before it is known whose it is', async () => {
    const client = await ask();
    expect([sessions.streams, listsRead, client.frames]).to.eql([0, 0, []]);
    client.answer({ refusal: 'missing' });
    await client.ended();
    expect(client.frames[0]!.comments).to.eql(['missing']);
    expect([sessions.streams, listsRead]).to.eql([0, 0]);
  });

  it('is told the parameters that nobody reads, and not those of the authenticator', async () => {
    const client = await ask({ path: '/?ticket=x&user=1' });
    client.answer({ user: '7' });
    await client.ok();
    expect(client.frames[0]!.comments).to.eql([
      'unknown parameter user: expected ticket, c, poll, format, lastEventId, since, overlap',
    ]);
  });

  it('is turned away if the gateway is stopped meanwhile, or filled', async () => {
    const [first, second] = [await ask(), await ask()];
    for (let i = 0; i < MAX_STREAMS; i++) {
      const other = await ask();
      other.answer({ user: String(8 + i) });
      await other.ok();
      if (i === 0) {
        draining = true;
        first.answer({ user: '7' });
        await first.ended();
        draining = false;
      }
    }
    second.answer({ user: '7' });
    await second.ended();
    expect([first, second].map(({ frames }) => frames[0]!.comments)).to.eql([
      ['draining'],
      ['capacity', 'SISYPHUS_MAX_STREAMS'],
    ]);
  });

  it('leaves its place to others if its user has too many', async () => {
    for (const user of ['u', 'u', 'u', 'v']) {
      const client = await ask();
      client.answer({ user });
      if (sessions.streams === 2 && user === 'u') {
        await client.ended();
        expect(client.frames[0]!.comments).to.eql(['capacity', 'SISYPHUS_MAX_STREAMS_PER_USER']);
      } else await client.ok();
    }
    expect(sessions.streams).to.equal(MAX_STREAMS);
  });

  it('is turned away if other streams of an address are opened meanwhile, and not asked about if they were before', async () => {
    const headers: [string, string][] = [['X-Forwarded-For', '203.0.113.9']];
    const [first, second, third] = [await ask({ headers }), await ask({ headers }), await ask({ headers })];
    for (const [i, client] of [first, second].entries()) {
      client.answer({ user: `${i}` });
      await client.ok();
    }
    third.answer({ user: '3' });
    const fourth = come({ headers });
    await Promise.all([third.ended(), fourth.ended()]);
    for (const { frames } of [third, fourth]) {
      expect(frames[0]!.comments).to.eql(['capacity', 'SISYPHUS_MAX_STREAMS_PER_ADDRESS']);
    }
    expect(asked).to.have.length(3);
    expect(counters.snapshot().limits).to.eql({ SISYPHUS_MAX_STREAMS_PER_ADDRESS: 2 });
  });

  it('is refused if its credential has more channels than a user may have', async () => {
    const [few, many] = [await ask(), await ask()];
    few.answer({ user: '7', channels: ['room:1', 'room:2', 'room:3'] });
    await few.ok();
    many.answer({ user: '7', channels: ['room:1', 'room:2', 'room:3', 'room:4'] });
    await many.ended();
    expect(many.frames[0]!.comments).to.eql(['capacity', 'SISYPHUS_MAX_CHANNELS']);
    expect(many.frames[0]!.retry).to.be.within(30_000, 60_000);
    expect(sessions.streams).to.equal(1);
  });

  it('is not asked about after bad credentials of its address, and those of others are', async () => {
    const headers: [string, string][] = [['X-Forwarded-For', '203.0.113.9']];
    for (const refusal of ['signature', 'refused'] as const) {
      const client = await ask({ headers });
      client.answer({ refusal });
      await client.ended();
    }
    const refused = come({ headers });
    await refused.ended();
    expect(refused.frames[0]!.comments).to.eql(['capacity', 'SISYPHUS_MAX_FAILURES']);
    expect(asked).to.have.length(2);
    await ask({ headers: [['X-Forwarded-For', '203.0.113.10']] });
    expect(asked).to.have.length(3);
  });

  it('is not asked about where as many as there may be wait already', async () => {
    for (let i = 0; i < MAX_STREAMS; i++) await ask();
    const client = come();
    await client.ended();
    expect(client.frames[0]!.comments).to.eql(['capacity']);
    expect(asked).to.have.length(MAX_STREAMS);
  });

  it('is told within 2 s if nobody can say whose it is, or says it late and then Redis does not answer', async () => {
    readList = () => new Promise(() => undefined);
    const [watch, unknown, late] = [new Stopwatch(), await ask(), await ask()];
    await wait(1000);
    late.answer({ user: '7' });
    await Promise.all([unknown.ended(2500), late.ended(2500)]);
    for (const [client, reason] of [
      [unknown, 'unavailable'],
      [late, 'redis'],
    ] as const) {
      expect(client.frames[0]!.at - client.sentAt - watch.waited).to.be.below(2000);
      expect(client.frames[0]!.data).to.equal('<message><status>error</status></message>');
      expect(client.frames[0]!.comments).to.eql([reason]);
      expect(client.frames[0]!.retry).to.be.within(5000, 10_000);
    }
    expect([unknown.signal.aborted, late.signal.aborted]).to.eql([true, false]);
  });

  it('ends at the second at which its credential ends, and may come back soon; others stay', async () => {
    const [ending, staying] = [await ask(), await ask()];
    const expires = Date.now() + 300;
    ending.answer({ user: '7', expires });
    staying.answer({ user: '7' });
    await Promise.all([ending.ok(), staying.ok()]);
    await ending.ended();
    expect(Date.now()).to.be.within(expires, expires + 1500);
    const [first, last] = ending.frames;
    expect(last!.data).to.equal('<message><status>failure</status></message>');
    expect(last!.comments).to.eql(['expired']);
    expect(last!.retry).to.be.within(1000, 3000);
    expect(last!.id).to.equal(first!.id);
    await eventually(() => sessions.streams === 1);
    expect(staying.closed).to.equal(false);
    expect(counters.snapshot().closed).to.eql({ expired: 1 });
  });

  it('fails, and may come back late, if its credential has ended before', async () => {
    const client = await ask();
    client.answer({ user: '7', expires: Date.now() - 1 });
    await client.ended();
    expect(client.frames[0]!.data).to.equal('<message><status>failure</status></message>');
    expect(client.frames[0]!.comments).to.eql(['expired']);
    expect(client.frames[0]!.retry).to.be.within(30_000, 60_000);
  });
});
