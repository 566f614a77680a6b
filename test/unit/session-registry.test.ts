import { expect } from 'chai';
import type { LocalStreams } from '../../src/backlog/fleet-limit.ts';
import type { CloseReason } from '../../src/connection/close-reason.ts';
import type { KernelQueues } from '../../src/connection/kernel-queues.ts';
import { Counters } from '../../src/counters.ts';
import { createLogger } from '../../src/logger.ts';
import { BEGINNING } from '../../src/message/position.ts';
import type { Session } from '../../src/session/session.ts';
import { type RegistryOptions, SessionRegistry } from '../../src/session/session-registry.ts';
import { eventually } from '../support/wait.ts';

const INTERVAL = 200;

/** What the registry asks of a session, and a note of what was done with it. */
class FakeSession {
  user = 'u';
  credential: string | undefined;
  address = '203.0.113.9';
  begun = Number.NEGATIVE_INFINITY;
  readonly version = BEGINNING;
  readonly connection = {
    lastSent: 0,
    onClose: (_reason: CloseReason): void => {},
    acknowledged: (): number | undefined => undefined,
  };
  readonly closed: CloseReason[] = [];
  opened = true;
  isSettled = true;
  noops = 0;
  sweeps = 0;
  onHold = (): void => undefined;

  noop(): void {
    if (!this.opened) return;
    this.noops++;
    this.connection.lastSent = clock;
  }

  sweep(): void {
    this.sweeps++;
  }

  close(reason: CloseReason): void {
    this.closed.push(reason);
  }
}

let clock = 0;
let date = 0;

describe('the registry of sessions', () => {
  let counters: Counters;
  let options: RegistryOptions;
  const fixed = {
    hub: { refresh: async () => undefined },
    backlog: { rights: async () => [] } as never,
    logger: createLogger('silent'),
    noopInterval: INTERVAL,
    maxStreams: 10,
    maxStreamsPerUser: 10,
    now: () => clock,
    date: () => date,
  };
  let registry: SessionRegistry;

  beforeEach(() => {
    clock = 1_000_000;
    counters = new Counters();
    options = { ...fixed, counters };
    date = Date.UTC(2026, 0, 1);
    registry = new SessionRegistry(options);
  });

  afterEach(() => registry.stop());

  function added(expires?: number): FakeSession {
    const session = new FakeSession();
    session.connection.lastSent = clock;
    registry.add(session as unknown as Session, expires);
    return session;
  }

  /** Lets the registry look, which it does each tenth of the interval by the real clock. */
  async function looked(): Promise<void> {
    const probe = added();
    probe.isSettled = false;
    await eventually(() => probe.sweeps >= 2);
    probe.connection.onClose('client');
  }

  it('ends the streams of a user who is disconnected that began before, and tells of every user', async () => {
    const told: (string | undefined)[] = [];
    registry.onDisconnect = (user) => told.push(user);
    const [old, other, later, of] = [added(), added(), added(), added()];
    [other.user, of.user] = ['v', 'v'];
    registry = new SessionRegistry(options);
    registry.onDisconnect = (user) => told.push(user);
    for (const session of [old, other, later, of]) registry.add(session as unknown as Session);
    later.begun = clock + 1;
    [other.credential, of.credential] = ['a', 'b'];
    await registry.disconnect({ user: 'nobody', at: clock });
    await registry.disconnect({ user: 'u', at: clock });
    await registry.disconnect({ user: 'v', credential: 'b', at: clock });
    expect([old, other, later, of].map(({ closed }) => closed)).to.deep.equal([['revoked'], [], [], ['revoked']]);
    expect(told).to.deep.equal(['nobody', 'u', 'v']);
    expect(registry.reasonAgainst({ user: 'u' }, clock)).to.equal('revoked');
    await registry.disconnect({ user: undefined, at: clock });
    expect([other, later].map(({ closed }) => closed)).to.deep.equal([['redis'], ['redis']]);
    expect(told.at(-1)).to.equal(undefined);
  });

  it('lets others have their turn while it ends the streams of somebody with very many', async () => {
    const sessions = Array.from({ length: 2000 }, () => added());
    let turns = 0;
    const count = (): void => {
      turns++;
      if (sessions.at(-1)!.closed.length === 0) setImmediate(count);
    };
    setImmediate(count);
    await registry.disconnect({ user: 'u', at: clock });
    expect(turns).to.be.above(2);
    expect(sessions.every(({ closed }) => closed.length === 1)).to.equal(true);
  });

  it('sends a noop once an interval to whom nothing else was sent, and to nobody else', async () => {
    const silent = added();
    const spoken = added();
    registry.start();
    clock += INTERVAL / 2;
    spoken.connection.lastSent = clock;
    await looked();
    expect([silent.noops, spoken.noops]).to.deep.equal([0, 0]);
    clock += INTERVAL / 2 + INTERVAL / 100;
    await looked();
    expect([silent.noops, spoken.noops]).to.deep.equal([1, 0]);
    await looked();
    expect(silent.noops).to.equal(1);
    for (let i = 1; i <= 3; i++) {
      clock += INTERVAL / 2 + INTERVAL / 100;
      await looked();
      expect([silent.noops, spoken.noops]).to.deep.equal([i, i]);
      clock += INTERVAL / 2 + INTERVAL / 100;
      await looked();
      expect([silent.noops, spoken.noops]).to.deep.equal([i + 1, i]);
    }
  });

  it('looks again soon at one that has no first frame yet', async () => {
    const session = added();
    session.opened = false;
    registry.start();
    clock += 2 * INTERVAL;
    await looked();
    session.opened = true;
    clock += INTERVAL / 10;
    await looked();
    expect(session.noops).to.equal(1);
  });

  it('sweeps a session from when it holds until it is settled', async () => {
    const session = added();
    session.isSettled = false;
    registry.start();
    await looked();
    expect(session.sweeps).to.be.above(1);
    session.isSettled = true;
    await looked();
    const { sweeps } = session;
    await looked();
    expect(session.sweeps).to.equal(sweeps);
    session.onHold();
    await looked();
    expect(session.sweeps).to.equal(sweeps + 1);
  });

  it('does nothing for one that has ended', async () => {
    const session = added();
    registry.start();
    session.connection.onClose('client');
    clock += 2 * INTERVAL;
    await looked();
    expect([session.noops, session.sweeps, registry.streams]).to.deep.equal([0, 0, 0]);
  });

  it('counts each stream once: as closed, or as refused if it never was open and was told why', () => {
    const before = counters.snapshot();
    for (const reason of ['redis', 'shutdown', 'slow'] as const) added().connection.onClose(reason);
    for (const reason of ['redis', 'shutdown', 'busy', 'internal', 'client'] as const) {
      const session = added();
      session.opened = false;
      session.connection.onClose(reason);
      session.connection.onClose(reason);
    }
    const { closed, refused } = counters.snapshot();
    expect([before.closed, before.refused]).to.deep.equal([{}, {}]);
    expect(closed).to.deep.equal({ redis: 1, shutdown: 1, slow: 1, client: 1 });
    expect(refused).to.deep.equal({ redis: 1, draining: 1, busy: 1, internal: 1 });
  });

  it('names the address in the log of a stream that ends because of its network, and of no other', () => {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger('info', { write: (line) => void lines.push(JSON.parse(line)) });
    registry = new SessionRegistry({ ...options, logger });
    for (const reason of ['slow', 'gone', 'client'] as const) added().connection.onClose(reason);
    expect(lines.map(({ reason, address }) => [reason, address])).to.deep.equal([
      ['slow', '203.0.113.9'],
      ['gone', '203.0.113.9'],
      ['client', undefined],
    ]);
  });

  it('ends a stream whose reader has gone', async () => {
    registry = new SessionRegistry({ ...options, kernelQueues: async () => ({ isEmpty: false }) as KernelQueues });
    const [gone, living] = [added(), added()];
    gone.connection.acknowledged = () => 7;
    registry.start();
    for (let i = 0; i < 2; i++) {
      clock += 3000;
      await looked();
    }
    await eventually(() => gone.closed.length > 0);
    expect([gone.closed, living.closed]).to.deep.equal([['gone'], []]);
  });

  it('has the oldest stream of a user make room where nobody can tell who has gone, and not again at once', async () => {
    registry = new SessionRegistry({ ...options, maxStreamsPerUser: 2, kernelQueues: async () => undefined });
    registry.start();
    clock += 3000;
    await looked();
    const [oldest, other] = [added(), added()];
    expect(registry.admits('another')).to.equal(true);
    expect(registry.admits('u')).to.equal(true);
    expect([oldest.closed, other.closed]).to.deep.equal([['capacity'], []]);
    oldest.connection.onClose('capacity');
    added();
    expect(registry.admits('u')).to.equal(false);
    clock += 2 * INTERVAL;
    expect(registry.admits('u')).to.equal(true);
    expect(other.closed).to.deep.equal(['capacity']);
  });

  it('reports its streams until the gateway is stopped, also while another worker takes its place', () => {
    let local: LocalStreams | undefined;
    const follow = (it: LocalStreams): void => {
      local = it;
    };
    const fleetLimit = { follow, admits: async () => true, closed: () => undefined };
    registry = new SessionRegistry({ ...options, fleetLimit });
    added();
    registry.leave(true);
    expect(local?.total()).to.equal(1);
    registry.leave();
    expect(local?.total()).to.equal(undefined);
    registry.leave(true);
    expect(local?.total()).to.equal(undefined);
  });

  it('has another one make room for a stream if too many are at other gateways, and nobody can tell who has gone', async () => {
    let isAdmitted = true;
    const fleetLimit = { follow: () => undefined, admits: async () => isAdmitted, closed: () => undefined };
    registry = new SessionRegistry({ ...options, fleetLimit, kernelQueues: async () => undefined });
    registry.start();
    clock += 3000;
    await looked();
    const [alone, older, newer] = [new FakeSession(), new FakeSession(), new FakeSession()];
    const add = (session: FakeSession) => registry.add(session as unknown as Session);
    isAdmitted = false;
    expect(await add(alone)).to.equal(false);
    expect(alone.closed).to.deep.equal([]);
    registry.refused(alone as unknown as Session);
    isAdmitted = true;
    expect(await add(older)).to.equal(true);
    isAdmitted = false;
    expect(await add(newer)).to.equal(true);
    expect([older.closed, newer.closed]).to.deep.equal([['capacity'], []]);
  });

  function pass(ms: number): void {
    clock += ms;
    date += ms;
  }

  it('ends a session when its credential ends, and no other', async () => {
    const [ending, later, endless, left] = [added(date + 5000), added(date + 9000), added(), added(date + 5000)];
    left.connection.onClose('client');
    registry.start();
    pass(4990);
    await looked();
    expect(ending.closed).to.deep.equal([]);
    pass(10);
    await looked();
    expect(ending.closed).to.deep.equal(['expired']);
    ending.connection.onClose('expired');
    expect(counters.snapshot().closed.expired).to.equal(1);
    pass(3000);
    await looked();
    expect([later, endless, left].map(({ closed }) => closed)).to.deep.equal([[], [], ['client']]);
  });

  it('ends a session before its first noop, and one that is not opened, when their credentials end', async () => {
    const [short, opening] = [added(date + INTERVAL / 2), added(date + 2 * INTERVAL)];
    opening.opened = false;
    registry.start();
    pass(INTERVAL / 2);
    await looked();
    expect([short.closed, short.noops]).to.deep.equal([['expired'], 0]);
    pass(2 * INTERVAL);
    await looked();
    expect(opening.closed).to.deep.equal(['expired']);
  });

  it('goes by the date with the next noop where the machine slept, or its clock was put back', async () => {
    const [slept, putBack] = [added(date + 3_600_000), added(date + INTERVAL)];
    registry.start();
    date -= 3_600_000;
    clock += 1.1 * INTERVAL;
    await looked();
    expect([slept.closed, putBack.closed]).to.deep.equal([[], []]);
    date += 2 * 3_600_000;
    clock += 1.1 * INTERVAL;
    await looked();
    expect([slept.closed, putBack.closed]).to.deep.equal([['expired'], ['expired']]);
  });

  it('has no stream make room where it can be told who has gone', async () => {
    registry = new SessionRegistry({ ...options, maxStreamsPerUser: 1 });
    const session = added();
    expect(registry.admits('u')).to.equal(false);
    expect(session.closed).to.deep.equal([]);
  });
});
