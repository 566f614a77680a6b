import { expect } from 'chai';
import { Counters } from '../../src/counters.ts';
import type { Trouble } from '../../src/hub/trouble.ts';
import { createLogger } from '../../src/logger.ts';
import { Outage } from '../../src/session/outage.ts';

const GRACE = 5000;
const AWAY: Trouble = { stops: 'all', reason: 'Redis cannot be reached', detail: 'connect ECONNREFUSED' };
const REFUSED: Trouble = { stops: 'publishing', reason: 'Redis is a read-only replica', detail: 'READONLY' };

describe('an outage', () => {
  let now: number;
  let troubles: Trouble[];
  let lines: Record<string, unknown>[];
  let closed: number;
  let sessions: { streams: number; closeAll(): void; turnedAwayFor: string };
  let counters: Counters;
  let hub: { downSince: number | undefined };
  let outage: Outage;
  let hasSpoken: boolean;

  beforeEach(() => {
    now = 1_000_000;
    troubles = [];
    lines = [];
    closed = 0;
    hasSpoken = false;
    sessions = { streams: 3, closeAll: () => closed++, turnedAwayFor: '' };
    counters = new Counters();
    hub = { downSince: undefined };
    const logger = createLogger('info', { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    const options = { hub, sessions, counters, troubles: () => troubles, hasSpoken: () => hasSpoken, grace: GRACE };
    outage = new Outage({ ...options, logger, now: () => now });
  });

  /** Looks for so long, as it does by itself, with so many readers turned away each time. */
  function pass(milliseconds: number, turnedAway = 0): void {
    for (const end = now + milliseconds; now < end; now += 200) {
      for (let i = 0; i < turnedAway; i++) counters.streamRefused('redis');
      outage.check();
    }
  }
  const said = (): string[] =>
    lines.map(({ event, readers = '', streams = '' }) => `${event} ${readers}${streams}`.trim());

  it('is one line when it begins, a number now and then, and one line when it is over', () => {
    hub.downSince = now;
    troubles = [AWAY];
    sessions.turnedAwayFor = 'Redis did not answer';
    // Of another cause.
    counters.streamRefused('capacity');
    counters.streamClosed('slow');
    pass(20_000, 10);
    expect(said()).to.deep.equal(['readers_turned_away 10', 'redis_away', 'readers_turned_away 500']);
    expect(lines[1]).to.deep.include({ reason: AWAY.reason, detail: AWAY.detail });
    for (let i = 0; i < 3; i++) counters.streamClosed('redis');
    [hub.downSince, troubles] = [undefined, []];
    pass(30_000);
    expect(said().slice(3)).to.deep.equal(['redis_back']);
    expect(lines[3]).to.deep.include({ turnedAway: 990, ended: 3, milliseconds: 20_000 });
  });

  it('is nothing where a connection is back at once', () => {
    for (let i = 0; i < 20; i++) {
      hub.downSince = now;
      pass(800);
      hub.downSince = undefined;
      pass(800);
    }
    expect(said()).to.deep.equal([]);
  });

  it('is said once a minute while it lasts, and when its reason changes', () => {
    hub.downSince = now;
    pass(10_000);
    troubles = [AWAY];
    pass(130_000);
    expect(lines.map(({ reason }) => reason)).to.deep.equal([
      'Redis does not answer',
      ...Array.from({ length: 3 }, () => AWAY.reason),
    ]);
  });

  it('ends streams after the grace, and not before', () => {
    hub.downSince = now;
    pass(GRACE);
    expect(closed).to.equal(0);
    pass(400);
    expect(closed).to.be.greaterThan(0);
  });

  it('ends no stream as long as Redis answers anybody, until they have heard nothing for a minute', () => {
    hub.downSince = now;
    for (let i = 0; i < 12; i++) {
      pass(GRACE - 600);
      hasSpoken = true;
      pass(200);
      hasSpoken = false;
    }
    expect(closed).to.equal(0);
    hasSpoken = true;
    pass(5000);
    expect(closed).to.equal(0);
    pass(5000);
    expect(closed).to.be.greaterThan(0);
  });

  it('ends streams where Redis answers, and refuses what each of them needs', () => {
    hub.downSince = now;
    hasSpoken = true;
    troubles = [{ stops: 'readers', reason: 'Redis refuses functions' }];
    pass(GRACE + 400);
    expect(closed).to.be.greaterThan(0);
  });

  it('does not count time in which this process did not run', () => {
    pass(1000);
    hub.downSince = now;
    now += 10 * GRACE;
    pass(GRACE - 800);
    expect(closed).to.equal(0);
    pass(1200);
    expect(closed).to.be.greaterThan(0);
  });

  it('tells of a refusal once, and when it is over; of one that comes and goes, once a minute', () => {
    troubles = [REFUSED];
    pass(30_000);
    troubles = [];
    pass(3000);
    expect(said()).to.deep.equal(['redis_refuses', 'redis_refuses_no_more']);
    expect(lines[0]).to.deep.include(REFUSED);
    pass(20_000);
    for (let i = 0; i < 10; i++) {
      troubles = [REFUSED];
      pass(2000);
      troubles = [];
      pass(3000);
    }
    expect(said().slice(2)).to.deep.equal(['redis_refuses', 'redis_refuses_no_more']);
    expect(closed).to.equal(0);
  });
});
