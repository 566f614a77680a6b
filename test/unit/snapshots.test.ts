import { expect } from 'chai';
import type { Snapshot } from '../../src/collection/collections.ts';
import { NewestWaits } from '../../src/collection/newest-waits.ts';
import { Snapshots } from '../../src/collection/snapshots.ts';
import { BEGINNING } from '../../src/message/position.ts';

/** A store whose answers come when the test says so. */
class SlowStore {
  revision = 0;
  readonly asked: (Snapshot | undefined)[] = [];
  readonly #waiting: (() => void)[] = [];

  read(_name: string, known?: Snapshot): Promise<Snapshot> {
    this.asked.push(known);
    const { revision } = this;
    const records = known?.revision === revision ? known.records : [`{"n":${revision}}`, '{}'];
    const snapshot = { epoch: '1', revision, id: BEGINNING, key: 'n', records };
    return new Promise((resolve) => this.#waiting.push(() => resolve(snapshot)));
  }

  async answer(): Promise<void> {
    this.#waiting.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('snapshots for many clients', () => {
  it('are never older than the request, and those that wait share one', async () => {
    const store = new SlowStore();
    const snapshots = new Snapshots(store);
    const first = snapshots.read('drivers');
    store.revision = 7;
    const later = [1, 2, 3].map(() => snapshots.read('drivers'));
    await store.answer();
    expect(store.asked).to.have.length(2);
    await store.answer();
    expect((await first).revision).to.equal(0);
    for (const snapshot of later) expect((await snapshot).revision).to.equal(7);
    expect(String((await later[0])!.json)).to.equal('{"n":7},{}');
  });

  it('are written again only if they have changed', async () => {
    const store = new SlowStore();
    const snapshots = new Snapshots(store);
    const first = snapshots.read('drivers');
    await store.answer();
    const second = snapshots.read('drivers');
    await store.answer();
    expect(store.asked[1]).to.equal(await first);
    expect((await second).records).to.equal((await first).records);
  });

  it('of one collection do not wait for those of another', async () => {
    const store = new SlowStore();
    const snapshots = new Snapshots(store);
    void snapshots.read('drivers');
    void snapshots.read('users');
    expect(store.asked).to.have.length(2);
  });
});

describe('acts of which only the newest waits', () => {
  it('run one at a time; of those that wait the newest one runs, also after a failure', async () => {
    const turns = new NewestWaits();
    const order: string[] = [];
    let end: (error?: Error) => void = () => undefined;
    const act = (name: string) =>
      turns
        .run(async () => {
          order.push(name);
          if (name === 'a')
            await new Promise<void>((resolve, reject) => (end = (error) => (error ? reject(error) : resolve())));
          return name;
        })
        .catch(({ code, message }: { code?: string; message: string }) => code ?? message);
    const all = ['a', 'b', 'c', 'd'].map(act);
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).to.deep.equal(['a']);
    end(new Error('failed'));
    expect(await Promise.all(all)).to.deep.equal(['failed', 'superseded', 'superseded', 'd']);
    expect(order).to.deep.equal(['a', 'd']);
    expect(await act('e')).to.equal('e');
  });
});
