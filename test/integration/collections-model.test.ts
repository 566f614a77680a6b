import { expect } from 'chai';
import fc from 'fast-check';
import { SyncClient } from '../../src/sync/client.ts';
import type { Item } from '../../src/sync/updates.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { LivePage, type Row } from '../support/live-page.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';
const ENV = {
  SISYPHUS_PROTOCOLS: 'sync',
  SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
  SISYPHUS_NOOP_INTERVAL: '1s',
  SISYPHUS_MAX_MESSAGE: '2KB',
  SISYPHUS_COLLECTIONS: JSON.stringify({
    drivers: { key: 'driver_name', public: true, send: ['s'], receive: ['s'], default: true },
  }),
};

const name = fc.constantFrom('a', 'b', 'c', 'd', 'ü', '"{', 'e f');
const row = fc.record({ driver_name: name, lap: fc.nat(3), text: fc.constantFrom('', '}"{', 'x'.repeat(300)) });
const rows = fc.uniqueArray(row, { selector: ({ driver_name: key }) => key, maxLength: 9 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), rows, at: fc.nat(1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('patch' as const),
      rows,
      gone: fc.uniqueArray(name, { maxLength: 2 }),
      at: fc.nat(1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), page: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const), page: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), at: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
);

describe('collections, whatever happens to them', function () {
  this.timeout(280_000);
  let redis: RedisServer;
  const gateways: Gateway[] = [];

  before(async () => {
    redis = await startRedis();
    for (let i = 0; i < 2; i++) gateways.push(await startGateway({ REDIS_URL: redis.url, ...ENV }));
  });
  after(async () => {
    for (const gateway of gateways) await gateway.stop();
    await redis.stop();
  });

  it('are the same on every page and in every dictionary in the end, with one start over for each real gap', async () => {
    const client = redis.client();
    const open = (at: number): LivePage => {
      const page = new LivePage({ port: gateways[at % 2]!.port, begin: at < 2 ? 'since' : 'overlap=100' });
      page.start();
      return page;
    };
    const pages = [0, 1, 2, 3].map(open);
    const leaving = new AbortController();
    const log = { error: () => undefined };
    const dictionaries = gateways.map((gateway) => {
      const pauses = { first: 20, longest: 200 };
      const dictionary = { state: new Map<string, Item>() as ReadonlyMap<string, Item>, done: Promise.resolve() };
      const sync = new SyncClient({ url: gateway.url, key: 'driver_name', receiveSecret: 's', log, pauses });
      const onLine = (state: ReadonlyMap<string, Item>): void => {
        dictionary.state = state;
      };
      dictionary.done = sync.pollUpdates(onLine, { signal: leaving.signal });
      return dictionary;
    });

    /** What a gateway that is away does not take, Redis does. */
    async function write(at: number, method: 'PUT' | 'PATCH', body: unknown): Promise<void> {
      const text = JSON.stringify(body);
      const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${PUBLISH_SECRET}` };
      const url = `${gateways[at]!.url}/live/drivers`;
      const response = await fetch(url, { method, headers, body: text }).catch(() => undefined);
      if (response?.status === 200) return;
      await client.call('FCALL', method === 'PUT' ? 'sisyphus_put' : 'sisyphus_patch', '1', KEY, 'drivers', text);
    }

    const read = async (): Promise<{ drivers: Row[]; revision: number; epoch: string }> =>
      (await (await fetch(`${gateways[0]!.url}/live/drivers`)).json()) as {
        drivers: Row[];
        revision: number;
        epoch: string;
      };

    /** Until the first so many pages, and all dictionaries, have what the server has. */
    async function settle(count = pages.length): Promise<void> {
      await eventually(async () => {
        const { drivers, revision, epoch } = await read();
        for (const page of pages.slice(0, count)) {
          expect({ revision: page.revision, epoch: page.epoch }).to.deep.equal({ revision, epoch });
          expect([...page.rows.values()]).to.have.deep.members(drivers);
        }
        for (const { state } of dictionaries) expect([...state.values()]).to.have.deep.members(drivers);
        return true;
      }, 20_000);
    }

    async function kill(at: number): Promise<void> {
      const { port } = gateways[at]!;
      gateways[at]!.kill('SIGKILL');
      await gateways[at]!.exited;
      gateways[at] = await startGateway({ REDIS_URL: redis.url, ...ENV, PORT: String(port) });
    }

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        await settle();
        const model = new Map((await read()).drivers.map((record) => [String(record.driver_name), record]));
        for (const page of pages) page.startOvers = 0;
        const { epoch: before } = await read();
        let flushes = 0;
        let large = 0;
        for (const one of steps) {
          if (one.kind === 'put' || one.kind === 'patch') {
            const gone =
              one.kind === 'put' ? [] : one.gone.filter((key) => !one.rows.some((r) => r.driver_name === key));
            const batch = [
              ...one.rows.map((data) => ({ type: 'update', data })),
              ...gone.map((key) => ({ type: 'delete', data: { driver_name: key } })),
            ];
            await write(one.at, one.kind === 'put' ? 'PUT' : 'PATCH', one.kind === 'put' ? one.rows : batch);
            if (one.kind === 'put') model.clear();
            for (const key of gone) model.delete(key);
            for (const record of one.rows) model.set(record.driver_name, record);
            // A change that may be larger than a message begins another epoch.
            if (JSON.stringify(one.rows).length > 1_500) large++;
          } else if (one.kind === 'cut') pages[one.page]!.cut();
          else if (one.kind === 'reload') {
            await pages[one.page]!.close();
            pages[one.page] = open(one.page);
          } else if (one.kind === 'kill') await kill(one.at);
          else {
            flushes++;
            await client.flushall();
            model.clear();
          }
        }
        await settle(2);
        // A page that begins with an overlap has no position. If Redis is emptied between its snapshot and its stream, the next change tells it.
        await write(0, 'PATCH', [{ type: 'update', data: { driver_name: 'last', lap: 0, text: '' } }]);
        model.set('last', { driver_name: 'last', lap: 0, text: '' });
        await settle();
        const { drivers, epoch } = await read();
        expect(drivers).to.have.deep.members([...model.values()]);
        for (const page of pages) expect(page.startOvers).to.be.at.most(flushes + large);
        if (flushes > 0) expect(epoch).not.to.equal(before);
      }),
      { numRuns: 25, endOnFailure: true },
    );
    await Promise.all(pages.map((page) => page.close()));
    leaving.abort();
    for (const { done } of dictionaries) await done;
  });
});
