import { expect } from 'chai';
import type { FleetReports } from '../../src/backlog/fleet-reports.ts';
import { FleetWatch } from '../../src/http/console/fleet-watch.ts';

const OWN = { streams: 1, users: 1, channels: 2, role: 'leader', draining: false, received: 5, delivered: 6 };

describe('the fleet that the console shows', () => {
  let now: number;
  let stored: Map<string, string>;
  let isAway: boolean;
  let watch: FleetWatch;

  beforeEach(() => {
    now = 1_000_000;
    stored = new Map();
    isAway = false;
    const answer = async <T>(value: T): Promise<T> => {
      if (isAway) throw new Error('away');
      return value;
    };
    const reports: FleetReports = {
      write: (gateway, text) => answer(undefined).then(() => void stored.set(gateway, text)),
      read: () => answer(new Map(stored)),
      remove: async (gateways) => {
        await answer(undefined);
        for (const name of gateways) stored.delete(name);
      },
    };
    watch = new FleetWatch({ reports, own: () => OWN, failures: { log: () => {} } as never, now: () => now });
  });

  afterEach(() => watch.stop());

  const write = (gateway: string, at: number): void => {
    stored.set(gateway, JSON.stringify({ ...OWN, gateway, at }));
  };
  const names = async (): Promise<string[]> => (await watch.look()).map(({ gateway }) => gateway);

  it('has this gateway first, and the others by their names', async () => {
    write('b/2', now);
    write('a/1', now);
    expect(await names()).to.deep.equal([watch.name, 'a/1', 'b/2']);
    isAway = true;
    expect(await names()).to.deep.equal([watch.name]);
  });

  it('leaves out who was killed before it looked, and who has not reported for seven seconds', async () => {
    write('dead/1', now - 7001);
    write('dying/1', now);
    expect(await names()).to.deep.equal([watch.name, 'dying/1']);
    now += 6900;
    expect(await names()).to.deep.equal([watch.name, 'dying/1']);
    now += 200;
    expect(await names()).to.deep.equal([watch.name]);
  });

  it('knows by its changes that a gateway lives whose clock is wrong', async () => {
    write('slow-clock/1', now - 3_000_000);
    expect(await names()).to.deep.equal([watch.name]);
    for (let i = 1; i < 4; i++) {
      now += 2000;
      write('slow-clock/1', now - 3_000_000);
      expect(await names()).to.deep.equal([watch.name, 'slow-clock/1']);
    }
    now += 7001;
    expect(await names()).to.deep.equal([watch.name]);
  });

  it('passes over what no gateway has written', async () => {
    stored
      .set('a/1', 'no JSON')
      .set('b/1', '{}')
      .set('c/1', JSON.stringify({ ...OWN, gateway: 'other', at: now }));
    const hostile = { streams: '<b>', users: null, received: [1], role: { toString: 1 }, at: '1' };
    for (const [name, value] of Object.entries(hostile)) {
      stored.set(name, JSON.stringify({ ...OWN, gateway: name, at: now, [name]: value }));
    }
    stored.set('long', JSON.stringify({ ...OWN, gateway: 'long', at: now, role: 'x'.repeat(2000) }));
    expect(await names()).to.deep.equal([watch.name]);
  });

  it('passes on of a report what it knows, and of 500 others at most', async () => {
    for (let i = 0; i < 501; i++) {
      stored.set(`a/${i}`, JSON.stringify({ ...OWN, gateway: `a/${i}`, at: now, more: 'x' }));
    }
    const found = await watch.look();
    expect(found).to.have.length(501);
    expect(found[1]).to.deep.equal({ ...OWN, gateway: 'a/0', at: now });
  });

  it('reports itself while it runs, removes what is an hour old, and takes its own report along', async () => {
    write('old/1', now - 3_600_001);
    write('young/1', now - 3_599_000);
    watch.start();
    await new Promise((resolve) => setImmediate(resolve));
    expect([...stored.keys()]).to.have.members([watch.name, 'young/1']);
    expect(JSON.parse(stored.get(watch.name)!)).to.deep.equal({ gateway: watch.name, at: now, ...OWN });
    await watch.stop();
    await watch.stop();
    expect([...stored.keys()]).to.deep.equal(['young/1']);
  });
});
