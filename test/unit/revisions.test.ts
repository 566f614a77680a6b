import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import type { BacklogReader, Page, Reading } from '../../src/backlog/backlog.ts';
import { type RtOutcome, RtResponse } from '../../src/connection/rt-response.ts';
import { Counters } from '../../src/counters.ts';
import { Hub } from '../../src/hub/hub.ts';
import { RecentMessages } from '../../src/hub/recent-messages.ts';
import { Subscription } from '../../src/hub/subscription.ts';
import { createLogger } from '../../src/logger.ts';
import type { Message } from '../../src/message/message.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { headsOf } from '../../src/reading/revision-heads.ts';
import { type Due, RevisionPages } from '../../src/reading/revision-pages.ts';
import { Session, type SessionOptions } from '../../src/session/session.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { publishOne } from '../contract/store.ts';
import { aMessage } from '../support/messages.ts';
import { RtClient } from '../support/rt.ts';
import { eventually } from '../support/wait.ts';

const logger = createLogger('silent');
const at = (id: number): Position => id as Position;

describe('the pages of messages behind revisions', () => {
  /** A message of each of these revisions, whose id is ten times as high. */
  const room = (...revisions: number[]): Message[] =>
    revisions.map((revision) => aMessage({ revision, id: at(10 * revision), previous: at(10 * revision - 10) }));

  async function read(due: Partial<Due>, ...pages: Message[][]): Promise<(number | string)[]> {
    const left = [...pages];
    const reading: Reading = {
      gaps: new Map(),
      next: async () => {
        const messages = left.shift();
        return messages && { gaps: new Map(), messages };
      },
    };
    const whole = { seen: 0, known: BEGINNING, last: at(50), isFinal: false, ...due };
    const found = new RevisionPages(reading, new Map([['room:918', whole]]));
    const all: Page[] = [];
    for (let page = await found.next(); page; page = await found.next()) all.push(page);
    return all.flatMap(({ gaps, messages }) => [...gaps.values(), ...messages.map(({ revision }) => revision)]);
  }

  it('leave out what the client has seen', async () => {
    expect(await read({ seen: 3 }, room(2, 3, 4), room(5))).to.deep.equal([4, 5]);
    expect(await read({ seen: 5 }, room(4, 5), [])).to.deep.equal(['expired']);
    expect(await read({ seen: 0 }, room(3, 4, 5))).to.deep.equal([3, 4, 5]);
    expect(await read({ seen: 0 })).to.deep.equal([]);
  });

  it('tell what is missing, before the first message, between two pages, and at the end', async () => {
    expect(await read({ seen: 1 }, room(3, 4, 5))).to.deep.equal(['trimmed', 3, 4, 5]);
    expect(await read({ seen: 1 }, room(2, 3), room(5))).to.deep.equal([2, 3, 'trimmed', 5]);
    expect(await read({ seen: 1 }, room(2, 3))).to.deep.equal([2, 3, 'expired']);
    expect(await read({ seen: 1 })).to.deep.equal(['expired']);
    expect(await read({ seen: 1, isFinal: true }, room(5))).to.deep.equal([5]);
    expect(await read({ seen: 1, isFinal: true })).to.deep.equal([]);
  });

  it('have nothing from before the right to the channel, which is not missed either', async () => {
    expect(await read({ seen: 1, known: at(35) }, room(3, 4, 5))).to.deep.equal([4, 5]);
    expect(await read({ seen: 1, known: at(35) }, room(5))).to.deep.equal(['trimmed', 5]);
    expect(await read({ seen: 1, known: at(40) }, room(5))).to.deep.equal([5]);
    expect(await read({ seen: 1, known: at(55) })).to.deep.equal([]);
  });
});

describe('the last message of a channel up to the seam', () => {
  const SEAM = at(100);

  /** A hub that has received these messages of `room:918`, the first of them at its begin. */
  function aHub(...ids: number[]) {
    const subscription = new Subscription('room:918', () => ({ length: 100, ttl: 3_600_000 }), new RecentMessages());
    const [first = 0, ...others] = ids;
    subscription.begin(at(first));
    const hear = (id: number, revision: number): void =>
      subscription.hear(aMessage({ id: at(id), revision, previous: subscription.head! }));
    for (const id of others) hear(id, id / 10);
    const hub = {
      refreshed: 0,
      hear,
      subscription: () => subscription,
      recent: (_: string, after: Position) => subscription.recent(after),
      refresh: async (): Promise<void> => {
        hub.refreshed++;
      },
    };
    return hub;
  }

  const store = (revision: number, last: number, asked: (readonly string[])[] = []): BacklogReader => ({
    open: () => Promise.reject(new Error('not asked for')),
    counters: async (channels) => {
      asked.push(channels);
      return [{ revision, last: at(last) }];
    },
  });

  const headOf = async (hub: ReturnType<typeof aHub>, backlog: BacklogReader) =>
    (await headsOf(['room:918'], SEAM, hub, backlog)).get('room:918');

  it('is asked for once, and then known', async () => {
    const hub = aHub(90);
    const asked: (readonly string[])[] = [];
    const head = { revision: 9, id: at(90), latest: 9 };
    expect(await headOf(hub, store(9, 90, asked))).to.deep.equal(head);
    expect(await headOf(hub, store(9, 90, asked))).to.deep.equal(head);
    expect(asked).to.deep.equal([['room:918']]);
    hub.hear(95, 10);
    expect(await headOf(hub, store(0, 0, asked))).to.deep.equal({ revision: 10, id: at(95), latest: 10 });
    expect(asked).to.have.length(1);
  });

  it('is counted back from what came after the seam', async () => {
    const now = Date.now() * 1000;
    const hub = aHub(now - 10);
    hub.hear(now + 10, 10);
    hub.hear(now + 20, 11);
    const heads = await headsOf(['room:918'], at(now), hub, store(11, now + 20));
    expect(heads.get('room:918')).to.deep.equal({ revision: 9, id: at(now - 10), latest: 11 });
  });

  it('is waited for, if the store has said more than the hub has received', async () => {
    const hub = aHub(90);
    hub.refresh = async () => hub.hear(95, 10);
    expect(await headOf(hub, store(10, 95))).to.deep.equal({ revision: 10, id: at(95), latest: 10 });
    const lost = aHub(90);
    const error = await headOf(lost, store(10, 95)).catch((reason: Error) => reason);
    expect([lost.refreshed, error]).to.have.nested.property('[1].code', 'redis_unavailable');
  });

  it('is that of the store, if it has less than was received: it has lost messages', async () => {
    expect(await headOf(aHub(90), store(2, 20))).to.deep.equal({ revision: 2, id: at(20), latest: 2 });
  });
});

describe('a session that begins at revisions, through any history', function () {
  this.timeout(60_000);
  const ROOMS = ['room:a', 'room:b', 'room:c'];
  let atOnce = 0;
  type Step = { kind: 'publish' | 'burst' | 'poll' | 'cut' | 'turn' | 'rest' | 'forget'; room: number };
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom(
      ...(['publish', 'publish', 'burst', 'poll', 'poll', 'cut', 'turn', 'turn', 'rest', 'forget'] as const),
    ),
    room: fc.nat(ROOMS.length - 1),
  });

  it('gives everything once and in order, or says reset where it is gone', async () => {
    const histories = fc.array(step, { minLength: 5, maxLength: 60 });
    const delays = fc.array(fc.nat(6), { minLength: 1, maxLength: 20 });
    await fc.assert(fc.asyncProperty(histories, delays, fc.integer({ min: 2, max: 6 }), live), { numRuns: 300 });
    expect(atOnce, 'polls that had nothing to wait for').to.be.above(300);
  });

  async function live(steps: Step[], delays: number[], length: number): Promise<void> {
    const retention = () => ({ length, ttl: 3_600_000 });
    const store = new MemoryStore({ retention, maxMessage: 1000 });
    const counters = new Counters();
    let reads = 0;
    const slow = async (): Promise<void> => {
      for (let i = delays[reads++ % delays.length]!; i > 0; i--) await turn();
    };
    const backlog = {
      rights: store.backlog.rights.bind(store.backlog),
      counters: async (channels: readonly string[]) => {
        await slow();
        const found = await store.backlog.counters(channels);
        await slow();
        return found;
      },
      open: async (...asked: Parameters<typeof store.backlog.open>) => {
        await slow();
        return store.backlog.open(...asked);
      },
    };
    const options = { backlog, counters, logger, recordsPlain: () => false };
    let hub = new Hub({ ...options, source: store.source, retention });
    hub.start();
    await eventually(() => hub.isOpen, 5000, 1);
    const published = new Map(ROOMS.map((room) => [room, 0]));
    const client = new RtClient(ROOMS);
    let polling: Promise<void> | undefined;
    let cut = (): void => undefined;

    const publish = async (room: string): Promise<void> => {
      const revision = published.get(room)! + 1;
      published.set(room, revision);
      await publishOne(store, room, `${revision}`);
    };
    /** Asks once, and takes the answer, unless the connection is cut before. */
    const poll = async (): Promise<void> => {
      const seen = new Map(client.seen);
      let isCut = false;
      const session = await new Promise<Session | undefined>((resolve) => {
        const timer = { begin: () => () => undefined };
        const bounds = { noopInterval: 15_000, maxBuffer: 1_000_000 };
        const rules = { ...bounds, timer, isFinal: () => false, isBehindGap: () => false };
        const response = new RtResponse(seen, rules);
        response.onEnd = (outcome) => {
          if (!isCut && 'news' in outcome) {
            const answer = [...outcome.news].map(([room, { status, items }]) => {
              const msg = items.map((item) => JSON.parse(item) as { id: number; payload: number });
              if (msg.length === 0) msg.push({ id: published.get(room)!, payload: published.get(room)! });
              return [room, { status, msg }] as const;
            });
            client.take(Object.fromEntries(answer));
          }
          resolve(session);
        };
        const session = new Session({
          ...options,
          hub,
          user: undefined,
          granted: ROOMS,
          named: new Set(ROOMS),
          connection: response,
          maxBuffer: 1_000_000,
        });
        response.onDue = () => session.noop();
        response.onReset = () => session.noop();
        cut = () => {
          isCut = true;
          response.hangUp();
        };
        const start = { kind: 'revisions', seen } as const;
        if (session.openAtOnce(start)) {
          atOnce++;
          response.replayed();
        } else void session.open(start).then(() => response.replayed());
      });
      session?.close('polled');
    };
    const begin = (): void => {
      polling ??= poll().finally(() => {
        polling = undefined;
      });
    };

    for (const { kind, room } of steps) {
      if (kind === 'turn') await turn();
      else if (kind === 'rest') for (let i = 0; i < 30; i++) await turn();
      else if (kind === 'publish') await publish(ROOMS[room]!);
      else if (kind === 'burst') for (let i = 0; i < length + 1; i++) await publish(ROOMS[room]!);
      else if (kind === 'poll') begin();
      else if (kind === 'cut') cut();
      else if (!polling) {
        // Another gateway, which has nothing in its memory.
        await hub.close();
        hub = new Hub({ ...options, source: store.source, retention });
        hub.start();
        await eventually(() => hub.isOpen, 5000, 1);
      }
    }
    for (const room of ROOMS) await publish(room);
    await eventually(
      () => {
        begin();
        return ROOMS.every((room) => client.seen.get(room) === published.get(room));
      },
      5000,
      1,
    );
    cut();
    await polling;
    await hub.close();
    await store.close();
    expect(client.faults).to.deep.equal([]);
    for (const { channel, from, to } of client.gaps)
      expect(to - from + 2, `a reset of ${channel} from ${from} to ${to}`).to.be.above(length);
    for (const room of ROOMS) {
      const payloads = client.payloads.get(room) as number[];
      const gone = client.gaps.filter(({ channel }) => channel === room);
      const expected = Array.from({ length: published.get(room)! }, (_, i) => i + 1).filter(
        (revision) => revision >= payloads[0]! && !gone.some(({ from, to }) => revision >= from && revision <= to),
      );
      expect(payloads).to.deep.equal(expected);
    }
  }
});

describe('a session at revisions that has nothing to wait for', () => {
  let store: MemoryStore;
  let hub: Hub;
  const counters = new Counters();

  beforeEach(async () => {
    const retention = () => ({ length: 10, ttl: 3_600_000 });
    store = new MemoryStore({ retention, maxMessage: 1000 });
    hub = new Hub({
      source: store.source,
      backlog: store.backlog,
      counters,
      logger,
      recordsPlain: () => false,
      retention,
    });
    hub.start();
    await eventually(() => hub.isOpen, 5000, 1);
    // Somebody follows both, so that the hub knows their last messages.
    const { session } = begin({ 'room:a': 0, 'room:b': 0 });
    await session.open({ kind: 'revisions', seen: new Map() });
    for (const room of ['room:a', 'room:a', 'room:b']) await publishOne(store, room, 'x');
    await eventually(() => hub.subscription('room:b')!.revision === 1);
  });

  afterEach(async () => {
    await hub.close();
    await store.close();
  });

  /** A poll that has not been opened, and how it has ended. */
  function begin(seen: Record<string, number>, { user, granted = Object.keys(seen) }: Partial<SessionOptions> = {}) {
    const timer = { begin: () => () => undefined };
    const bounds = { noopInterval: 15_000, maxBuffer: 1_000_000 };
    const rules = { ...bounds, timer, isFinal: () => false, isBehindGap: () => false };
    const pairs = new Map(Object.entries(seen));
    const connection = new RtResponse(pairs, rules);
    const named = new Set(pairs.keys());
    const { backlog } = store;
    const own = { user, granted, named, connection, maxBuffer: 1_000_000 };
    const session = new Session({ hub, backlog, counters, logger, recordsPlain: () => false, ...own });
    const outcomes: RtOutcome[] = [];
    connection.onEnd = (outcome) => outcomes.push(outcome);
    connection.onDue = () => session.noop();
    return { session, connection, outcomes, start: { kind: 'revisions', seen: pairs } as const };
  }

  it('is open at once, and gets what comes, with the position behind it', async () => {
    const { session, connection, outcomes, start } = begin({ 'room:a': 2, 'room:b': 1 });
    expect([session.openAtOnce(start), session.opened, session.isHolding]).to.deep.equal([true, true, false]);
    connection.replayed();
    const { id } = await publishOne(store, 'room:b', 'y');
    await eventually(() => outcomes.length > 0);
    const [answer] = outcomes as [Exclude<RtOutcome, { reason: unknown }>];
    expect([...answer.news]).to.deep.equal([['room:b', { status: 'ok', items: ['{"id":2,"payload":"y"}'] }]]);
    expect(answer.position).to.equal(id);
  });

  it('is not open if something has to be read or asked for, and then nothing has happened', async () => {
    const cases: [string, Record<string, number>, Partial<SessionOptions>?][] = [
      ['it is behind', { 'room:a': 1, 'room:b': 1 }],
      ['it is ahead', { 'room:a': 3 }],
      ['the hub does not know the channel', { 'room:a': 2, 'room:c': 0 }],
      ['it may not read a channel', { 'room:a': 2, 'room:b': 1 }, { granted: ['room:a', 'room:a'] }],
      ['it has a list', { 'room:a': 2 }, { user: '7' }],
    ];
    for (const [why, seen, options] of cases) {
      const { session, start } = begin(seen, options);
      expect(session.openAtOnce(start), why).to.equal(false);
      expect(session.opened, why).to.equal(false);
    }
    const left = begin({ 'room:a': 2 });
    left.connection.hangUp();
    expect(left.session.openAtOnce(left.start), 'the client has left').to.equal(false);
    hub.down();
    const lost = begin({ 'room:a': 2 });
    expect(lost.session.openAtOnce(lost.start), 'the hub hears nothing').to.equal(false);
    expect(hub.subscription('room:a')!.readers.size, 'the one that follows').to.equal(1);
    expect(hub.subscription('room:c')).to.equal(undefined);
  });

  it('may read nothing that is not granted, though as many names are granted as are named', () => {
    const { session } = begin({ 'room:a': 2, 'room:b': 1 }, { granted: ['room:a', 'room:a'] });
    expect(session.denied).to.deep.equal(['room:b']);
    expect([session.reads('room:a'), session.reads('room:b')]).to.deep.equal([true, false]);
  });
});
