import { expect } from 'chai';
import fc from 'fast-check';
import type { Sisyphus } from '../../src/client/client.ts';
import { type Change, type Collection, collection } from '../../src/client/collection.ts';
import { CollectionGateway, type Row } from '../support/client/collection-gateway.ts';
import { FakeTimers } from '../support/fake-timers.ts';

/** Longer than a client waits before it loads again (ms). */
const PAUSE = 6_000;

describe('a collection as a live map', () => {
  const timers = new FakeTimers();
  let gateway: CollectionGateway;
  let stream: Sisyphus;
  let changes: Change<Row>[];
  let errors: unknown[];

  beforeEach(() => {
    timers.install();
    gateway = new CollectionGateway();
    changes = [];
    errors = [];
    gateway.change([row('a', 1), row('b', 1), row('c', 1)]);
  });
  afterEach(() => {
    stream.close();
    timers.restore();
  });

  function connect(options: Parameters<CollectionGateway['connect']>[0] = {}): void {
    stream = gateway.connect(options);
    stream.on('error', (error) => errors.push(error));
  }

  function open(options: Parameters<typeof collection>[2] = {}): Collection<Row> {
    const drivers = collection<Row>(stream, 'drivers', { fetch: gateway.fetch, ...options });
    drivers.on('change', (change) => changes.push(change));
    return drivers;
  }

  /** Everything arrives that is on its way, and nothing has to be waited for. */
  async function settle(): Promise<void> {
    for (let i = 0; i < 12; i++) {
      await timers.pass(PAUSE);
      gateway.deliver();
      await timers.pass();
      gateway.answer();
      await timers.pass();
    }
  }

  async function live(options: Parameters<typeof collection>[2] = {}): Promise<Collection<Row>> {
    connect();
    const drivers = open(options);
    await settle();
    return drivers;
  }

  /** A collection on a stream that is live. It has asked for the snapshot, which the test has to answer. */
  async function asking(): Promise<Collection<Row>> {
    connect();
    const drivers = open();
    await timers.pass();
    gateway.deliver();
    await timers.pass();
    return drivers;
  }

  const entries = (drivers: Collection<Row>): string => JSON.stringify([...drivers]);
  const expected = (): string => JSON.stringify([...gateway.records]);
  const keysOf = ({ created, updated, removed }: Change<Row>): string[][] =>
    [created, updated, removed].map((records) => [...records.keys()]);

  it('is a map that begins with the snapshot, in its order, and says so', async () => {
    connect();
    const drivers = open();
    let isReady = false;
    void drivers.ready.then((ready) => {
      isReady = ready === drivers;
    });
    await timers.pass(1000);
    expect(gateway.snapshots, 'before the stream is live').to.equal(0);
    gateway.deliver();
    await timers.pass();
    expect([isReady, drivers.size]).to.deep.equal([false, 0]);
    gateway.answer();
    await timers.pass();
    expect(isReady).to.equal(true);
    expect(drivers).to.be.instanceOf(Map);
    expect(entries(drivers)).to.equal(expected());
    expect(changes.map(keysOf)).to.deep.equal([[['a', 'b', 'c'], [], []]]);
  });

  it('says of each change what was created, updated and removed, and keeps the order in which records were created', async () => {
    const drivers = await live();
    gateway.change([row('b', 2), row('d', 1)], ['a', 'nobody']);
    gateway.change([row('a', 3)]);
    gateway.deliver();
    expect([...drivers.keys()]).to.deep.equal(['b', 'c', 'd', 'a']);
    expect(entries(drivers)).to.equal(expected());
    expect(changes.slice(1).map(keysOf)).to.deep.equal([
      [['d'], ['b'], ['a']],
      [['a'], [], []],
    ]);
    expect(changes[1]!.removed.get('a')).to.deep.equal(row('a', 1));
    expect(changes[1]!.updated.get('b')).to.equal(drivers.get('b'));
  });

  it('takes a whole number as a key for its digits', async () => {
    gateway.records = new Map([['7', { driver_name: 7 } as unknown as Row]]);
    const drivers = await live();
    expect([...drivers.keys()]).to.deep.equal(['7']);
    gateway.change([], ['7']);
    gateway.deliver();
    expect(drivers.size).to.equal(0);
  });

  it('applies no change that the snapshot has, whether its id or its revision says so', async () => {
    const drivers = await asking();
    gateway.change([row('a', 2)]);
    gateway.change([row('a', 3)]);
    const { id } = gateway;
    // The snapshot is of the present, but a cache has kept it with an earlier id.
    gateway.answer(gateway.snapshot.replace(`"id":"${id}"`, `"id":"${id - 1}"`));
    await timers.pass();
    gateway.deliver();
    expect(changes).to.have.length(1);
    gateway.change([row('a', 4)]);
    gateway.deliver();
    expect(changes).to.have.length(2);
    expect(entries(drivers)).to.equal(expected());
    expect(gateway.snapshots).to.equal(1);
  });

  it('asks for no other snapshot because of changes of an earlier epoch than it has', async () => {
    const drivers = await asking();
    gateway.change([row('a', 2)]);
    gateway.fork([row('a', 3)]);
    gateway.deliver();
    gateway.answer();
    await settle();
    expect(entries(drivers)).to.equal(expected());
    expect(gateway.snapshots).to.equal(1);
  });

  it('is quiet if the stream stops before there is a snapshot', async () => {
    connect();
    open();
    await timers.pass();
    gateway.deliver();
    gateway.change([row('a', 2)]);
    gateway.revoke();
    gateway.deliver();
    await settle();
    expect(stream.status.state).to.equal('failure');
    expect([changes, errors]).to.deep.equal([[], []]);
  });

  for (const [what, disturb] of Object.entries({
    'another epoch': () => gateway.fork([row('a', 7), row('e', 1)]),
    'a change that was too large': () => gateway.changeMuch([row('a', 7), row('e', 1)]),
    'a missing revision': () => {
      gateway.revision++;
      gateway.change([row('a', 7), row('e', 1)]);
    },
    'a message of somebody else': () => gateway.disturb(null),
  })) {
    it(`begins again with a snapshot, once, at ${what}, and says what is different then`, async () => {
      const drivers = await live();
      const [b, before] = [drivers.get('b'), entries(drivers)];
      disturb();
      gateway.change([row('a', 7), row('e', 1)]);
      gateway.change([row('f', 1)]);
      gateway.deliver();
      expect(entries(drivers), 'without a snapshot').to.equal(before);
      await timers.pass(PAUSE);
      expect(gateway.snapshots).to.equal(2);
      gateway.answer();
      await timers.pass();
      expect(entries(drivers)).to.equal(expected());
      expect(changes.slice(1).map(keysOf)).to.deep.equal([[['e', 'f'], ['a'], []]]);
      expect(drivers.get('b'), 'a record that is as it was').to.equal(b);
      await settle();
      expect(gateway.snapshots).to.equal(2);
    });
  }

  it('waits at most four seconds for that, different pages differently, however many changes come', async () => {
    const random = Math.random;
    try {
      for (const [part, second] of [
        [0.99, 4],
        [0.49, 2],
      ] as const) {
        await live();
        const { snapshots } = gateway;
        Math.random = () => part;
        gateway.fork([row('a', 7)]);
        for (let passed = 1; passed <= second; passed++) {
          expect(gateway.snapshots, `after ${passed - 1} s`).to.equal(snapshots);
          gateway.change([row('a', passed)]);
          gateway.deliver();
          await timers.pass(1000);
        }
        expect(gateway.snapshots).to.equal(snapshots + 1);
        Math.random = random;
        stream.close();
      }
    } finally {
      Math.random = random;
    }
  });

  it('asks for no snapshot if it is closed before', async () => {
    const drivers = await live();
    gateway.fork([row('a', 7)]);
    gateway.deliver();
    drivers.close();
    await settle();
    expect(gateway.snapshots).to.equal(1);
  });

  it('begins again with a snapshot after a reset, and when the store was flushed', async () => {
    const drivers = await live();
    gateway.flush();
    gateway.change([row('z', 1)]);
    await settle();
    expect(entries(drivers)).to.equal(expected());
    expect(changes.slice(1).map(keysOf)).to.deep.equal([[['z'], [], ['a', 'b', 'c']]]);
    expect(gateway.snapshots).to.equal(2);
    gateway.drop();
    gateway.change([row('z', 2)]);
    gateway.trim();
    await settle();
    expect(entries(drivers)).to.equal(expected());
    expect([gateway.opened, gateway.snapshots]).to.deep.equal([2, 3]);
  });

  it('comes back from a line that was cut without a snapshot', async () => {
    const drivers = await live();
    gateway.drop();
    gateway.change([row('z', 1)]);
    await settle();
    expect(entries(drivers)).to.equal(expected());
    expect([gateway.opened, gateway.snapshots]).to.deep.equal([2, 1]);
  });

  it('asks for no snapshot if the page was rendered with one, and the stream is not past it', async () => {
    const initial = JSON.parse(gateway.snapshot);
    connect({ since: initial.id });
    gateway.change([row('a', 2)]);
    const drivers = open({ initial });
    expect((await drivers.ready).size, 'ready at once').to.equal(3);
    expect(drivers.get('a')).to.deep.equal(row('a', 1));
    await timers.pass();
    gateway.deliver();
    expect(entries(drivers)).to.equal(expected());
    await settle();
    expect(gateway.snapshots).to.equal(0);
    gateway.reset();
    await settle();
    expect(gateway.snapshots).to.equal(1);
  });

  it('asks for a snapshot in spite of one in the page if the stream is past it', async () => {
    const initial = JSON.parse(gateway.snapshot);
    connect();
    gateway.change([row('a', 2)]);
    await timers.pass();
    gateway.deliver();
    const drivers = open({ initial });
    await settle();
    expect(gateway.snapshots).to.equal(1);
    expect(entries(drivers)).to.equal(expected());
  });

  it('tells the page of a snapshot that fails, and asks again', async () => {
    const drivers = await asking();
    gateway.refuse();
    await timers.pass();
    expect(errors.map(String)).to.deep.equal(['Error: /live/drivers was answered 503']);
    await settle();
    expect(entries(drivers)).to.equal(expected());
    expect(gateway.snapshots).to.equal(2);
  });

  it('goes on if a listener throws, and lets the page know', async () => {
    const drivers = await live();
    const fail = (text: string) => (): void => {
      throw new Error(text);
    };
    const off = drivers.on('change', fail('one'));
    drivers.on('change', fail('two'));
    drivers.on('change', (change) => changes.push(change));
    gateway.reset();
    await settle();
    off();
    gateway.change([row('a', 9)]);
    await settle();
    expect(errors.map(String)).to.deep.equal(['AggregateError', 'Error: two']);
    expect(changes).to.have.length(5);
    expect(gateway.snapshots).to.equal(2);
  });

  it('calls a listener as often as it was added, and not again while it is called', async () => {
    const drivers = await live();
    let calls = 0;
    const count = (): void => {
      calls++;
    };
    const off = drivers.on('change', count);
    drivers.on('change', count);
    let again = drivers.on('change', () => undefined);
    const renew = (): void => {
      calls += 10;
      again();
      again = drivers.on('change', renew);
    };
    again = drivers.on('change', renew);
    gateway.reset();
    await settle();
    expect(calls).to.equal(12);
    off();
    gateway.reset();
    await settle();
    expect(calls).to.equal(23);
  });

  it('is asked for where the page says, by the way that the page gives', async () => {
    const addresses: string[] = [];
    const fetch: typeof gateway.fetch = (address, init) => {
      addresses.push(address);
      return gateway.fetch(address, init);
    };
    await live({ fetch, address: '/push/live/drivers?user=7' });
    stream.close();
    await live({ fetch });
    expect(addresses).to.deep.equal(['/push/live/drivers?user=7', '/live/drivers']);
  });

  it('says nothing after it was closed, and leaves nothing behind', async () => {
    const drivers = await live();
    drivers.close();
    drivers.close();
    gateway.change([row('a', 2)]);
    gateway.reset();
    await settle();
    expect(changes).to.have.length(1);
    expect(gateway.snapshots).to.equal(1);
  });

  it('is right in the end and never what the collection has not been, whatever happens', async () => {
    const inOrder = (records: ReadonlyMap<string, Row>): string => JSON.stringify([...records].sort());
    await fc.assert(
      fc
        .asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, isRendered) => {
          gateway = new CollectionGateway();
          gateway.change([row('a', 1), row('b', 1)]);
          const initial = isRendered ? JSON.parse(gateway.snapshot) : undefined;
          connect(isRendered ? { since: initial.id } : {});
          const drivers = collection<Row>(stream, 'drivers', { fetch: gateway.fetch, initial });
          const mirror = new Map(drivers);
          drivers.on('change', ({ created, updated, removed }) => {
            for (const key of removed.keys()) expect(mirror.delete(key)).to.equal(true);
            for (const [key] of created) expect(mirror.has(key)).to.equal(false);
            for (const [key] of updated) expect(mirror.has(key)).to.equal(true);
            for (const [key, record] of [...created, ...updated]) mirror.set(key, record);
            expect(inOrder(drivers)).to.equal(inOrder(mirror));
            expect(gateway.history.has(entries(drivers)), entries(drivers)).to.equal(true);
          });
          for (const act of steps) await act(gateway);
          gateway.drop();
          await settle();
          expect(entries(drivers)).to.equal(expected());
          expect(inOrder(drivers)).to.equal(inOrder(mirror));
          expect(errors.filter((error) => !/answered 503|in time/.test(String(error)))).to.deep.equal([]);
        })
        .afterEach(() => stream.close()),
      { numRuns: 500 },
    );
  });

  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const rows = fc.uniqueArray(fc.record({ driver_name: name, lap: fc.nat(2) }), {
    selector: ({ driver_name: key }) => key,
    maxLength: 3,
  });
  type Act = (gateway: CollectionGateway) => void | Promise<void>;
  const always = (act: Act): fc.Arbitrary<Act> => fc.constant(act);
  const step: fc.Arbitrary<Act> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(rows, fc.uniqueArray(name, { maxLength: 2 })).map(
        ([update, gone]): Act =>
          (gateway) => {
            gateway.change(
              update,
              gone.filter((key) => !update.some((record) => record.driver_name === key)),
            );
          },
      ),
    },
    {
      weight: 6,
      arbitrary: fc.nat(4).map(
        (most): Act =>
          (gateway) =>
            gateway.deliver(most),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom(0, 500, 5_000).map(
        (ms): Act =>
          () =>
            timers.pass(ms),
      ),
    },
    {
      weight: 3,
      arbitrary: always(async (gateway) => {
        gateway.answer();
        await timers.pass();
      }),
    },
    { weight: 2, arbitrary: always((gateway) => gateway.read()) },
    {
      weight: 1,
      arbitrary: always(async (gateway) => {
        gateway.refuse();
        await timers.pass();
      }),
    },
    { weight: 1, arbitrary: always((gateway) => gateway.drop()) },
    { weight: 1, arbitrary: always((gateway) => gateway.trim()) },
    { weight: 1, arbitrary: always((gateway) => gateway.reset()) },
    { weight: 1, arbitrary: always((gateway) => gateway.flush()) },
    {
      weight: 1,
      arbitrary: rows.map(
        (update): Act =>
          (gateway) =>
            gateway.fork(update),
      ),
    },
    {
      weight: 1,
      arbitrary: rows.map(
        (update): Act =>
          (gateway) =>
            gateway.changeMuch(update),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(null, 'x', {}).map(
        (data): Act =>
          (gateway) =>
            gateway.disturb(data),
      ),
    },
  );
});

const row = (name: string, lap: number): Row => ({ driver_name: name, lap });
