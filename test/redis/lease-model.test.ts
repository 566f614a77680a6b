import { expect } from 'chai';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { afterStep, initially, isPossible, type State, type Step } from '../support/lease-model.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const LEASE = 'sisyphus:{0}:recorder';
const STANDBYS = 'sisyphus:{0}:standbys';
const CLOCK = 'sisyphus:{0}:clock';
const GAPS = 'sisyphus:{0}:gaps';
const GATEWAYS = [0, 1, 2];
const SECOND = 1_000_000;

/** Those that happen more often come more often. */
const STEPS: Step[] = [
  { do: 'publish' },
  { do: 'publish' },
  { do: 'publish' },
  { do: 'run out' },
  { do: 'restart' },
  ...(
    ['begin', 'keep', 'keep', 'keep', 'keep', 'record', 'record', 'die', 'cut', 'stop', 'end', 'end'] as const
  ).flatMap((what) => GATEWAYS.map((who): Step => ({ do: what, who }))),
];

/** What the model does, done in Redis. */
class Real {
  readonly recorders: (RawRecorder | undefined)[] = GATEWAYS.map(() => undefined);
  readonly #server: RedisServer;
  readonly #client: Redis;
  #names = 0;

  constructor(server: RedisServer, client: Redis) {
    this.#server = server;
    this.#client = client;
  }

  async gap(): Promise<string | undefined> {
    return (await this.#client.lrange(GAPS, -1, -1))[0];
  }

  async recorded(): Promise<number[]> {
    const entries = await this.#client.xrange('sisyphus:{0}:channel:room:1:msg_backlog', '-', '+');
    return entries.map(([, fields]) => Number(fields[1]!.split('\n')[1]));
  }

  /** `before`: as the model stood. Answers what a gateway was told that asked. */
  async step(step: Step, before: State): Promise<string | undefined> {
    if (step.do === 'publish') await this.#client.publish('room:1', String(before.published.length));
    else if (step.do === 'run out') {
      if (before.lease.is === 'held') await this.#client.hset(LEASE, 'expires', 1);
      await this.#client.del(STANDBYS);
    } else if (step.do === 'restart') await this.#beginLife(before);
    else if ('who' in step) return this.#act(step, before);
    return undefined;
  }

  /** What waits has waited so much longer (us). */
  async #pass(microseconds: number): Promise<void> {
    const awaited = Number(await this.#client.hget(LEASE, 'awaited'));
    await this.#client.hset(LEASE, 'awaited', awaited - microseconds);
  }

  /** As a server that has started again: its count begins anew, and every connection is lost. */
  async #beginLife(before: State): Promise<void> {
    for (const who of GATEWAYS) {
      if (before.gateways[who]!.from === undefined) continue;
      await this.recorders[who]!.hears(before.gateways[who]!.queue.length);
      this.recorders[who]!.deafen();
    }
    const [calls] = /(?<=cmdstat_publish:calls=)\d+/.exec(await this.#client.info('commandstats')) ?? ['0'];
    const life = Math.random().toString(16).slice(2, 10).padEnd(8, '0');
    await this.#client.hset(CLOCK, 'life', life, 'said', Number(calls));
    await this.#client.del(STANDBYS);
  }

  async #act({ do: what, who }: Extract<Step, { who: number }>, before: State): Promise<string | undefined> {
    const me = before.gateways[who]!;
    const recorder = this.recorders[who];
    if (recorder) await recorder.hears(me.queue.length);
    switch (what) {
      case 'begin':
        this.recorders[who] = await RawRecorder.begin(() => this.#server.client(), `${who}.${this.#names++}`);
        return undefined;
      case 'keep': {
        if (before.lease.isAwaited) await this.#pass(SECOND);
        const isIdle = me.isLeader && me.queue.length === 0;
        return recorder!.lease('keep', isIdle ? { upTo: recorder!.place } : {});
      }
      case 'record':
        await recorder!.record().catch(() => []);
        return undefined;
      case 'die':
        recorder!.end();
        return undefined;
      default:
        await this.#retire(recorder!, me.isLeader, me.queue.length > 0, what !== 'stop');
        return undefined;
    }
  }

  async #retire(recorder: RawRecorder, isLeader: boolean, owes: boolean, again: boolean): Promise<void> {
    const hasRecorded =
      !isLeader ||
      !owes ||
      (await recorder.record().then(
        () => true,
        () => false,
      ));
    await recorder.lease(isLeader && hasRecorded ? 'release' : 'leave', { again });
    recorder.end();
  }
}

describe('the lease of the recorder, in Redis', function () {
  this.timeout(60_000);
  let server: RedisServer;
  let client: Redis;
  before(async () => {
    server = await startRedis();
    client = server.client();
    await loadFunctions(client, new Keys(undefined, 0));
  });
  after(() => server.stop());

  it('is kept as in the model of which every history is gone through', async () => {
    const choices = fc.array(fc.nat(1_000_000), { minLength: 6, maxLength: 24 });
    let takings = 0;
    let gaps = 0;
    await fc.assert(
      fc.asyncProperty(choices, async (numbers) => {
        await client.flushall();
        const real = new Real(server, client);
        let model = initially(GATEWAYS.length);
        for (const number of numbers) {
          const before = model;
          const possible = STEPS.filter((step) => isPossible(before, step));
          const step = possible[number % possible.length]!;
          const gap = await real.gap();
          const role = await real.step(step, before);
          model = afterStep(before, step);
          expect((await real.gap()) !== gap, 'a gap').to.equal(model.gaps.length > before.gaps.length);
          if (step.do !== 'keep') continue;
          expect(role === 'leader', 'leads').to.equal(model.gateways[step.who]!.isLeader);
          if (role === 'leader' && !before.gateways[step.who]!.isLeader) takings++;
          if (model.gaps.length > before.gaps.length) gaps++;
        }
        expect(await real.recorded()).to.deep.equal(model.recorded);
        for (const recorder of real.recorders) recorder?.end();
      }),
      { numRuns: 250 },
    );
    expect(takings).to.be.above(50);
    expect(gaps).to.be.above(10);
  });
});
