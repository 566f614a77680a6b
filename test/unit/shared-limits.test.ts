import { expect } from 'chai';
import { PrimaryRate } from '../../src/limits/primary-rate.ts';
import { WorkerRate } from '../../src/limits/worker-rate.ts';
import { Random } from '../fault/random.ts';
import { LimitsModel, type ModelWorker } from '../support/limits-model.ts';
import { eventually } from '../support/wait.ts';

const KEYS = ['a', 'b'];

describe('a limit over several workers', () => {
  it('is never exceeded, and refuses nobody while there is room, in any order of messages, deaths and replacements', async function () {
    this.timeout(30_000);
    for (let seed = 1; seed <= 300; seed++) await runOnce(seed);
  });

  it('costs no message until a worker has its share, and again when half of the limit is free', async () => {
    const model = new LimitsModel(30, 2);
    await model.settle();
    const [one, other] = [...model.workers] as [ModelWorker, ModelWorker];
    for (let i = 0; i < 10; i++) expect(await one.acquire('a')).to.equal(true);
    expect(one.toPrimary).to.deep.equal([]);
    const eleventh = one.acquire('a');
    expect(one.toPrimary.map((message) => message.do)).to.deep.equal(['ask']);
    await model.settle();
    expect(await eleventh).to.equal(true);
    for (let i = 0; i < 20; i++) void other.acquire('a');
    await model.settle();
    expect([model.openOf('a'), other.refused.length]).to.deep.equal([30, 1]);
    // It has been told that there is no room.
    expect(await other.acquire('a')).to.equal(false);
    expect(other.toPrimary).to.deep.equal([]);
    while (one.open.length > 5) one.release(0);
    while (other.open.length > 5) other.release(0);
    await model.settle();
    expect(await other.acquire('a')).to.equal(true);
    other.release(0);
    expect(other.toPrimary).to.deep.equal([]);
  });

  it('takes a worker that hangs to have its whole share, and no more', async () => {
    const model = new LimitsModel(9, 2, 30);
    await model.settle();
    const [one, hanging] = [...model.workers] as [ModelWorker, ModelWorker];
    void hanging.acquire('a');
    const asked = Array.from({ length: 9 }, () => one.acquire('a'));
    const deliver = (): void => {
      model.deliverToPrimary(one);
      model.deliverToWorker(one);
    };
    await eventually(() => {
      deliver();
      return one.open.length === 6 && one.refused.length === 3;
    });
    await Promise.all(asked);
    await model.settle();
    expect(await settled(model, one.acquire('a'))).to.equal(true);
    expect(await settled(model, one.acquire('a'))).to.equal(true);
    expect(await settled(model, one.acquire('a'))).to.equal(false);
    expect(model.openOf('a')).to.equal(9);
  });

  it('has no more shares than it is divided into, also while more workers run than there should be', async () => {
    const model = new LimitsModel(6, 1);
    model.start();
    model.start();
    await model.settle();
    const asked: Promise<boolean>[] = [];
    for (const worker of model.workers) for (let i = 0; i < 3; i++) asked.push(worker.acquire('a'));
    await model.settle();
    await Promise.all(asked);
    expect(model.openOf('a')).to.equal(6);
    // There are three workers and two shares. The third worker has one as soon as another worker has gone.
    const [first, , third] = [...model.workers] as [ModelWorker, ModelWorker, ModelWorker];
    model.kill(first);
    await model.settle();
    expect(await third.acquire('b')).to.equal(true);
    expect(third.toPrimary).to.deep.equal([]);
  });

  it('has the share of a worker that died for the others at once', async () => {
    const model = new LimitsModel(2, 2);
    await model.settle();
    const [one, other] = [...model.workers] as [ModelWorker, ModelWorker];
    expect(await settled(model, one.acquire('a'))).to.equal(true);
    expect(await settled(model, one.acquire('a'))).to.equal(true);
    expect(await settled(model, other.acquire('a'))).to.equal(false);
    model.kill(one);
    await model.settle();
    expect(await settled(model, other.acquire('a'))).to.equal(true);
  });
});

async function settled(model: LimitsModel, granted: Promise<boolean>): Promise<boolean> {
  await model.settle();
  return granted;
}

/** Random steps of a primary and its workers; after each the limit is kept, and now and then everything arrives, and there must be room. */
async function runOnce(seed: number): Promise<void> {
  const random = new Random(seed);
  const next = (): number => random.next();

  const most = 1 + Math.floor(next() * 12);
  const places = 1 + Math.floor(next() * 4);
  const model = new LimitsModel(most, places);
  const keepsLimit = (): void => {
    for (const key of KEYS) expect(model.openOf(key), `seed ${seed}, ${key}`).to.be.at.most(most);
  };
  for (let step = 0; step < 400; step++) {
    const worker = random.pick([...model.workers]);
    const dice = next();
    if (dice < 0.3) void worker.acquire(random.pick(KEYS));
    else if (dice < 0.5) worker.release(Math.floor(next() * worker.open.length));
    else if (dice < 0.74) model.deliverToPrimary(worker);
    else if (dice < 0.98) model.deliverToWorker(worker);
    else if (dice < 0.985) {
      model.kill(worker);
      model.start();
    } else if (dice < 0.99 && model.workers.size <= places + 1) model.start();
    else if (dice < 0.993 && model.workers.size > places) model.kill(worker);
    else if (dice > 0.997) await requireRoom(model, most, seed);
    await Promise.resolve();
    keepsLimit();
  }
  await requireRoom(model, most, seed);
  keepsLimit();
}

/** When nothing is on the way, one more is refused only if the limit is reached. */
async function requireRoom(model: LimitsModel, most: number, seed: number): Promise<void> {
  await model.settle();
  for (const worker of model.workers) {
    for (const key of KEYS) {
      const hasRoom = model.openOf(key) < most;
      const granted = await settled(model, worker.acquire(key));
      expect(granted, `seed ${seed}, ${key}`).to.equal(hasRoom);
    }
  }
}

describe('a rate over several workers', () => {
  /** Workers that ask a primary without delay. */
  function workersOf(
    most: number,
    count: number,
  ): { workers: WorkerRate[]; clock: { now: number }; asks: () => number } {
    const clock = { now: 1000 };
    let asks = 0;
    const now = (): number => clock.now;
    const primary = new PrimaryRate({ most, within: 1000, workers: count, now });
    const workers = Array.from({ length: count }, () => {
      let id = 0;
      const worker: WorkerRate = new WorkerRate({
        name: 'n',
        most,
        within: 1,
        nextId: () => ++id,
        now,
        send: (message) => {
          asks++;
          if (message.do !== 'take') return;
          const { name, key, id: of } = message;
          setImmediate(() => worker.hear({ do: 'taken', name, key, id: of, ...primary.take(key) }));
        },
      });
      return worker;
    });
    return { workers, clock, asks: () => asks };
  }

  it('is never exceeded, and all but an eighth is there for one worker alone', async () => {
    const { workers, clock, asks } = workersOf(160, 2);
    const [one, other] = workers as [WorkerRate, WorkerRate];
    expect(await other.take('k')).to.equal(0);
    let taken = 1;
    while ((await one.take('k')) === 0) taken++;
    expect(taken).to.be.within(140, 160);
    expect(asks()).to.be.below(25);
    expect(await one.take('k')).to.be.within(1, 1000);
    expect(await one.wait('k')).to.be.within(1, 1000);
    while ((await other.take('k')) === 0) taken++;
    expect(taken).to.equal(160);
    expect(await one.take('another')).to.equal(0);
    clock.now += 1000;
    expect([await one.wait('k'), await one.has('k'), await one.take('k')]).to.deep.equal([0, false, 0]);
  });

  it('is exact if it is small, and known as soon as it is reached', async () => {
    const { workers } = workersOf(3, 2);
    const [one, other] = workers as [WorkerRate, WorkerRate];
    expect([await one.take('k'), await one.take('k')]).to.deep.equal([0, 0]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await one.take('k')).to.equal(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await one.wait('k')).to.be.within(1, 1000);
    expect(await other.take('k')).to.be.within(1, 1000);
  });

  it('holds for each worker by itself while the primary hangs', async () => {
    let id = 0;
    const alone = new WorkerRate({
      name: 'n',
      most: 2,
      within: 1,
      nextId: () => ++id,
      send: () => undefined,
      patience: 20,
    });
    expect([await alone.take('k'), await alone.take('k')]).to.deep.equal([0, 0]);
  });
});
