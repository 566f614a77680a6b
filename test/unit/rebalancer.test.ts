import { expect } from 'chai';
import { Rebalancer } from '../../src/session/rebalancer.ts';
import { Random } from '../fault/random.ts';

/** How often gateways report and decide (ms), and how old what they know of each other is at most. */
const BEAT = 700;

/** Where a balancer sends a stream that was at gateway `from`. */
type Balance = (counts: number[], from: number) => number;

/** A fleet behind a balancer, in simulated time. */
class Model {
  now = 0;
  moved = 0;
  readonly vain: number[] = [];
  readonly counts: number[];
  readonly #gateways: Rebalancer[];
  /** To which gateway each process belongs. */
  readonly #owners: number[];
  readonly #reported: (number | undefined)[];
  readonly #returning: { at: number; from: number }[] = [];
  readonly #balance: Balance;
  readonly #random = new Random(7);

  /** @param owners to which gateway each process with `counts` belongs; by default each is one */
  constructor(counts: number[], balance: Balance, owners = counts.map((_, i) => i)) {
    this.#owners = owners;
    this.counts = [...counts];
    this.#reported = [...counts];
    this.#balance = balance;
    this.#gateways = counts.map(
      () => new Rebalancer({ now: () => this.now, onVain: (moved) => this.vain.push(moved) }),
    );
  }

  /** A gateway that is being stopped: it is not counted, and nobody is sent to it. */
  leave(gateway: number): void {
    this.#reported[gateway] = undefined;
  }

  /** What the processes have reported, by gateway. */
  #byGateway(): number[] {
    const sums: number[] = [];
    for (const [i, count] of this.#reported.entries()) {
      const owner = this.#owners[i]!;
      if (count !== undefined) sums[owner] = (sums[owner] ?? 0) + count;
    }
    return sums;
  }

  run(milliseconds: number): this {
    for (const end = this.now + milliseconds; this.now < end; this.now += BEAT / 2) {
      for (const [i, gateway] of this.#gateways.entries()) {
        // Half of the gateways decide in each half of a beat, by what the others have reported last.
        if (this.#reported[i] === undefined || (this.now / (BEAT / 2) + i) % 2 !== 0) continue;
        this.#reported[i] = this.counts[i]!;
        const sums = this.#byGateway();
        const known = Object.values(sums);
        const fleet = {
          gateways: known.length,
          streams: known.reduce((sum, count) => sum + count, 0),
          least: Math.min(...known),
          own: sums[this.#owners[i]!]!,
        };
        const count = gateway.step(this.counts[i]!, fleet);
        this.counts[i]! -= count;
        this.moved += count;
        for (let k = 0; k < count; k++)
          this.#returning.push({ at: this.now + 600 + this.#random.integer(0, 2400), from: i });
      }
      for (let k = this.#returning.length - 1; k >= 0; k--) {
        const { at, from } = this.#returning[k]!;
        if (at > this.now) continue;
        this.#returning.splice(k, 1);
        this.counts[this.#balance(this.counts, from)]!++;
      }
    }
    return this;
  }
}

const least: Balance = (counts) => counts.indexOf(Math.min(...counts));
/** Fewest connections of a gateway, whose workers take turns. */
function byGateway(owners: readonly number[]): Balance {
  let next = 0;
  return (counts) => {
    const sums: number[] = [];
    for (const [i, count] of counts.entries()) sums[owners[i]!] = (sums[owners[i]!] ?? 0) + count;
    const gateway = sums.indexOf(Math.min(...sums));
    const workers = counts.flatMap((_, i) => (owners[i] === gateway ? [i] : []));
    return workers[next++ % workers.length]!;
  };
}
const sticky: Balance = (_, from) => from;
function inTurn(): Balance {
  let next = 0;
  return (counts) => next++ % counts.length;
}

describe('gateways with more streams than others', () => {
  for (const [name, balance] of [
    ['fewest connections', () => least],
    ['each in turn', inTurn],
  ] as const) {
    for (const counts of [
      [1000, 0],
      [5000, 5000, 0],
      [20_000, 20_000, 20_000, 0],
      [10_000, 9000, 100, 0, 0],
      [60, 60, 60, 60, 60, 60, 60, 0],
    ]) {
      it(`give one that was added its share within a minute, and are quiet then: ${counts.join(', ')}, ${name}`, () => {
        const model = new Model(counts, balance());
        const mean = counts.reduce((sum, count) => sum + count) / counts.length;
        const surplus = counts.reduce((sum, count) => sum + Math.max(0, count - mean), 0);
        model.run(60_000);
        expect(Math.max(...model.counts), `${model.counts}`).to.be.at.most(mean * 1.2);
        expect(Math.min(...model.counts), `${model.counts}`).to.be.at.least(mean * 0.75);
        const { moved } = model;
        // In turn, most of them come back to gateways that have enough.
        const all = counts.reduce((sum, count) => sum + count);
        expect(moved).to.be.at.most(name === 'each in turn' ? all : surplus * 1.5);
        model.run(600_000);
        expect(model.moved - moved).to.be.at.most(mean * 0.1);
        expect(model.vain).to.deep.equal([]);
      });
    }
  }

  it('move nothing if they are alone, have few, or have nearly the same', () => {
    for (const counts of [[5000], [40, 0], [90, 0], [1150, 1000, 850]]) {
      expect(new Model(counts, least).run(120_000).moved, `${counts}`).to.equal(0);
    }
  });

  it('count all workers of a gateway as one: alone, with few a gateway, or with as many as another gateway with fewer workers', () => {
    for (const [counts, owners] of [
      [
        [5000, 0],
        [0, 0],
      ], // A worker that has just been started again.
      [
        [90, 0, 1, 1],
        [0, 0, 1, 1],
      ],
      [
        [75, 75, 150],
        [0, 0, 1],
      ],
      [
        [500, 500, 0, 1000],
        [0, 0, 0, 1],
      ],
    ] as const) {
      expect(new Model([...counts], least, [...owners]).run(120_000).moved, `${counts}`).to.equal(0);
    }
  });

  it('share what their gateway has too much of, if they are workers of one', () => {
    for (const [counts, owners] of [
      [
        [500, 500, 0, 0],
        [0, 0, 1, 1],
      ],
      [
        [1200, 800, 0],
        [0, 0, 1],
      ],
      [
        [1000, 500, 500, 0],
        [0, 1, 1, 2],
      ],
      [
        [250, 250, 250, 250, 250, 250, 250, 250, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 1],
      ],
    ] as const) {
      const model = new Model([...counts], byGateway(owners), [...owners]).run(60_000);
      const sums: number[] = [];
      for (const [i, count] of model.counts.entries()) sums[owners[i]!] = (sums[owners[i]!] ?? 0) + count;
      const mean = counts.reduce<number>((sum, count) => sum + count, 0) / sums.length;
      expect(Math.max(...sums), `${model.counts}`).to.be.at.most(mean * 1.1);
      expect(Math.min(...sums), `${model.counts}`).to.be.at.least(mean * 0.9);
      for (const [i, count] of counts.entries()) if (count > 0) expect(model.counts[i]).to.be.at.least(count * 0.35);
      const { moved } = model;
      expect(moved).to.be.at.most(mean * 1.03);
      model.run(600_000);
      expect(model.moved - moved).to.be.at.most(mean * 0.1);
      expect(model.vain).to.deep.equal([]);
    }
  });

  it('send no more than their part of it, however much is due, if they are workers of one', () => {
    let now = 0;
    const worker = new Rebalancer({ now: () => now, onVain: () => undefined });
    const step = (): number => worker.step(500, { gateways: 2, streams: 1600, least: 600, own: 1000 });
    step();
    now += 3000;
    step();
    // Redis did not answer meanwhile.
    now += 40_000;
    expect(step()).to.equal(100);
  });

  it('give up for a while if the balancer sends each client back to where it was', () => {
    const model = new Model([1000, 0], sticky).run(300_000);
    expect(model.moved).to.equal(1000);
    expect(model.vain).to.deep.equal([1000]);
    model.run(600_000);
    expect(model.vain).to.have.length(2);
  });

  it('wait until everybody has come back somewhere', () => {
    const model = new Model([1000, 0], least);
    expect(model.run(2500).moved).to.equal(0);
    model.counts[1] = 1000;
    expect(model.run(60_000).moved).to.equal(0);
  });

  it('do not count a gateway that is being stopped', () => {
    const model = new Model([1000, 1000, 0], least);
    model.leave(2);
    expect(model.run(60_000).moved).to.equal(0);
  });
});
