import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RedisFleetLimit } from '../../src/store/redis/redis-fleet-limit.ts';
import { Random } from '../fault/random.ts';
import { FakeTimers } from '../support/fake-timers.ts';
import { StreamsModel } from '../support/streams-model.ts';

const LIMIT = 3;
const USERS = ['u', 'v'];
const WALKS = 150;

interface Call {
  args: string[];
  answer?: unknown[];
  resolve: (answer: unknown[]) => void;
  reject: (error: Error) => void;
}

/** One connection: commands are carried out in their order, and answered in their order, each when the test says so. */
class FakeRedis extends EventEmitter {
  status = 'ready';
  calls: Call[] = [];
  /** Commands that a lost connection has left on their way. */
  late: Call[] = [];

  fcall(_name: string, _keys: number, _key: string, ...args: unknown[]): Promise<unknown[]> {
    if (this.status !== 'ready') return Promise.reject(new Error('Connection is closed.'));
    return new Promise((resolve, reject) => this.calls.push({ args: args.map(String), resolve, reject }));
  }

  lose(): void {
    this.status = 'close';
    const lost = this.calls.splice(0);
    this.late.push(...lost.filter(({ answer }) => !answer));
    for (const { reject } of lost) reject(new Error('Connection is closed.'));
    this.emit('close');
  }

  connect(): void {
    this.status = 'ready';
    this.emit('ready');
  }
}

interface Stream {
  user: string;
  state: 'waiting' | 'admitted' | 'refused' | 'ended';
}

/** A gateway, as far as its streams are counted. */
class Gateway {
  readonly redis = new FakeRedis();
  readonly limit: RedisFleetLimit;
  readonly streams = new Set<Stream>();
  searches = 0;
  /** The name under which it reports, once it has called. */
  name = '';

  constructor(now: () => number) {
    const redis = this.redis as unknown as Redis;
    this.limit = new RedisFleetLimit({ redis, keys: new Keys(undefined, 0), limit: LIMIT, logger, now });
    const users = () => new Set([...this.streams].map(({ user }) => user));
    const fleet = { total: () => undefined, onFleet: () => undefined };
    const search = (): number => this.searches++;
    this.limit.follow({ users, streamsOf: (user) => this.of(user).length, search, ...fleet });
    this.redis.connect();
  }

  of(user: string): Stream[] {
    return [...this.streams].filter((stream) => stream.user === user);
  }

  open(user: string): Stream {
    const stream: Stream = { user, state: 'waiting' };
    this.streams.add(stream);
    void this.limit
      .admits(user, () => !this.streams.has(stream))
      .then((isAdmitted) => {
        if (!this.streams.has(stream)) return;
        stream.state = isAdmitted ? 'admitted' : 'refused';
        if (!isAdmitted) this.#end(stream);
      });
    return stream;
  }

  close(stream: Stream): void {
    stream.state = 'ended';
    this.#end(stream);
  }

  /** Carries out the next command. */
  execute(store: StreamsModel): void {
    const next = this.redis.calls.find(({ answer }) => !answer);
    if (!next) return;
    this.name = next.args[0]!;
    next.answer = store.call(next.args);
  }

  answer(): void {
    if (this.redis.calls[0]?.answer) {
      const { answer = [], resolve } = this.redis.calls.shift() as Call;
      resolve(answer);
    }
  }

  #end(stream: Stream): void {
    this.streams.delete(stream);
    this.limit.closed(stream.user);
  }
}

const logger = createLogger('silent');

describe('the limit of streams over all gateways', function () {
  this.timeout(60_000);
  let timers: FakeTimers;
  let store: StreamsModel;
  let gateways: Gateway[];

  beforeEach(async () => {
    timers = new FakeTimers();
    timers.install();
    store = new StreamsModel();
    gateways = [0, 1].map(() => new Gateway(() => timers.now));
    await settle();
  });

  afterEach(() => timers.restore());

  const pass = (milliseconds?: number) => timers.pass(milliseconds);

  /** Redis answers everything, and nothing fails any more. */
  async function settle(): Promise<void> {
    for (let round = 0; round < 12; round++) {
      for (const gateway of gateways) {
        if (gateway.redis.status !== 'ready') gateway.redis.connect();
        gateway.limit.beat();
        while (gateway.redis.calls.length > 0) {
          gateway.execute(store);
          gateway.answer();
          await pass();
        }
      }
      await pass(60);
    }
  }

  const admitted = (user: string): number =>
    gateways.flatMap((gateway) => gateway.of(user)).filter(({ state }) => state === 'admitted').length;

  function expectCounted(why: string): void {
    for (const { name, of: _, streams } of gateways) {
      for (const user of USERS) {
        const held = [...streams].filter((stream) => stream.user === user).length;
        expect(store.count(name, user), `${why}: ${user} at ${name}`).to.equal(held);
      }
    }
  }

  type Step = [name: string, run: (gateway: Gateway, random: Random) => unknown];
  const USUAL: Step[] = [
    ['opens', (gateway, random) => mayOpen(gateway, random.pick(USERS))],
    ['opens', (gateway, random) => mayOpen(gateway, random.pick(USERS))],
    ['closes', (gateway, random) => gateway.streams.size > 0 && gateway.close(random.pick([...gateway.streams]))],
    ['executes', (gateway) => gateway.execute(store)],
    ['executes', (gateway) => gateway.execute(store)],
    ['answers', (gateway) => gateway.answer()],
    ['answers', (gateway) => gateway.answer()],
    ['beats', (gateway) => gateway.limit.beat()],
    ['waits', () => pass(50)],
  ];
  const FAULTS: Step[] = [
    ['loses its connection', (gateway) => gateway.redis.lose()],
    ['connects', (gateway) => gateway.redis.status !== 'ready' && gateway.redis.connect()],
    ['connects', (gateway) => gateway.redis.status !== 'ready' && gateway.redis.connect()],
    ['is heard late', ({ redis }) => redis.late.length > 0 && store.call(redis.late.shift()?.args ?? [])],
    ['is forgotten', ({ name }) => store.expire(name)],
    ['flushes', () => store.flush()],
    ['waits long', () => pass(700)],
  ];

  function mayOpen(gateway: Gateway, user: string): void {
    if (gateway.of(user).length < LIMIT) gateway.open(user);
  }

  async function walk(seed: number, steps: Step[], check: (why: string) => void): Promise<string> {
    const random = new Random(seed);
    const history: string[] = [];
    for (let step = 0; step < 40; step++) {
      const who = random.integer(0, 1);
      const [name, run] = random.pick(steps);
      history.push(`${who} ${name}`);
      await run(gateways[who]!, random);
      await pass();
      check(`seed ${seed}: ${history.join(', ')}`);
    }
    await settle();
    return `seed ${seed}: ${history.join(', ')}, all is settled`;
  }

  it('is never exceeded, and fully used, in any order of events', async () => {
    const check = (why: string): void => {
      for (const user of USERS) expect(admitted(user), `${why}: ${user}`).to.be.at.most(LIMIT);
    };
    for (let seed = 0; seed < WALKS; seed++) {
      const why = await walk(seed, USUAL, check);
      expectCounted(why);
      for (const user of USERS) {
        const room = LIMIT - admitted(user);
        for (let i = 0; i <= room; i++) gateways[i % 2]!.open(user);
        await settle();
        expect(admitted(user), `${why}: ${user} opens ${room + 1} more`).to.equal(LIMIT);
      }
      for (const gateway of gateways) for (const stream of gateway.streams) gateway.close(stream);
      await settle();
    }
  });

  it('counts the truth again after anything was lost, and leaves nobody waiting', async () => {
    for (let seed = 0; seed < WALKS; seed++) {
      const why = await walk(seed, [...USUAL, ...FAULTS], () => undefined);
      for (const { redis } of gateways) for (const late of redis.late.splice(0)) store.call(late.args);
      await settle();
      expectCounted(why);
      for (const { streams } of gateways) for (const { state } of streams) expect(state, why).to.equal('admitted');
      for (const gateway of gateways) for (const stream of gateway.streams) gateway.close(stream);
      await settle();
    }
  });

  it('admits everybody at once while there is no connection', async () => {
    const [one] = gateways as [Gateway, Gateway];
    const waiting = one.open('u');
    await pass();
    one.redis.lose();
    const next = one.open('u');
    await pass();
    expect([waiting.state, next.state]).to.deep.equal(['admitted', 'admitted']);
  });

  it('waits for an answer for 1 s', async () => {
    const [one] = gateways as [Gateway, Gateway];
    const stream = one.open('u');
    await pass();
    await pass(990);
    expect(stream.state).to.equal('waiting');
    await pass(20);
    expect(stream.state).to.equal('admitted');
    await settle();
    expectCounted('the answer came too late');
  });

  it('has readers searched that have gone, where a stream was refused for others at this gateway', async () => {
    const [one, other] = gateways as [Gateway, Gateway];
    for (let i = 0; i < LIMIT; i++) one.open('u');
    await settle();
    for (const searches of [1, 1]) {
      other.open('u');
      await settle();
      expect([one.searches, other.searches]).to.deep.equal([searches, 0]);
    }
    await pass(10_000);
    other.open('u');
    await settle();
    expect([one.searches, other.searches]).to.deep.equal([2, 0]);
  });

  it('asks for the streams of one turn in one call, and makes two calls at a time', async () => {
    const [{ limit, redis }] = gateways as [Gateway, Gateway];
    for (let i = 0; i < 1200; i++) void limit.admits(`user-${i}`, () => false);
    await pass();
    expect(redis.calls.map(({ args }) => args[4]!.trim().split(' ').length / 3)).to.deep.equal([500, 500]);
  });

  it('asks at once after a pause, and then together for streams that come within 3 ms', async () => {
    const [one] = gateways as [Gateway, Gateway];
    for (const user of ['a', 'b', 'c', 'd', 'e']) {
      one.open(user);
      await pass(1);
    }
    await pass(3);
    expect(one.redis.calls.map(({ args }) => args[4])).to.deep.equal(['a 0 1 ', 'b 0 1 c 0 1 ']);
  });

  it('reports streams together that end within 100 ms', async () => {
    const [one] = gateways as [Gateway, Gateway];
    const streams = ['u', 'v', 'v'].map((user) => one.open(user));
    await settle();
    for (const stream of streams) {
      one.close(stream);
      await pass(30);
    }
    expect(one.redis.calls).to.have.length(0);
    await pass(30);
    expect(one.redis.calls.map(({ args }) => args[4])).to.deep.equal(['u 0 0 v 0 0 ']);
  });
});
