import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const GAPS = 'sisyphus:{0}:gaps';
const LEASE = 'sisyphus:{0}:recorder';

describe('the gaps of the store in Redis', () => {
  let server: RedisServer;
  let client: Redis;
  before(async () => {
    server = await startRedis();
    client = server.client();
    await loadFunctions(client, new Keys(undefined, 0));
  });
  beforeEach(() => client.flushall());
  after(() => server.stop());

  const last = async (): Promise<number> => Number(((await client.fcall('sisyphus_mark', 0, 0)) as [string])[0]);
  const gaps = async (): Promise<string[]> =>
    ((await client.fcall('sisyphus_mark', 0, 0)) as [string, string, string[]])[2];
  const lost = (from: number, to: number, ...words: string[]) => client.fcall('sisyphus_lost', 0, from, to, ...words);

  /** As a mark of a gateway does which has heard more than there is. */
  async function fork(ahead = 10): Promise<{ from: number; to: number }> {
    const from = await last();
    await client.fcall('sisyphus_mark', 0, from + ahead);
    return { from, to: from + ahead + 1 };
  }

  for (const [extent, ...reports] of [
    ['-', '@some'],
    ['- room:1', '@some room:1', '@some room:1'],
    ['= room:1 room:2', '@heard room:1', '@some room:2'],
    ['= room:1', '@some room:1', '@heard'],
    ['=', '@heard', '@all'],
    ['*', '@some room:1', '@all', '@heard room:1'],
    ['*', '@all', '@some room:1'],
    ['*', `@heard ${Array.from({ length: 501 }, (_, i) => `room:${i}`).join(' ')}`],
  ] as const) {
    it(`keep of a fork what was said last: ${reports.join(', ').slice(0, 60)}`, async () => {
      const { from, to } = await fork();
      const { from: from2, to: to2 } = await fork();
      for (const report of reports) await lost(from, to, ...report.split(' '));
      expect(await gaps()).to.deep.equal([`forked ${from} ${to} ${extent}`, `forked ${from2} ${to2} -`]);
    });
  }

  it('await who heard everything, where somebody had the lease or stood by when the last id was given out', async () => {
    const recorder = await RawRecorder.begin(() => server.client(), 'a');
    const standby = await RawRecorder.begin(() => server.client(), 'b');
    const extents: string[] = [];
    await recorder.lease('keep', { ttl: 900 });
    await fork();
    await client.hset(LEASE, 'expires', (await last()) - 1);
    await fork();
    await client.hset(LEASE, 'expires', 1);
    await recorder.lease('keep');
    await standby.lease('keep');
    await recorder.lease('release');
    await fork();
    await standby.lease('leave');
    await fork();
    for (const gap of await gaps()) extents.push(gap.split(' ')[3]!);
    expect(extents).to.deep.equal(['?', '-', '?', '-']);
    recorder.end();
    standby.end();
  });

  it('are said, also where more becomes known of one', async () => {
    const hearing = server.client();
    const said: string[] = [];
    hearing.on('message', (_, text: string) => said.push(text));
    await last();
    await hearing.subscribe('sisyphus{0}/@gap');
    const { from, to } = await fork();
    await lost(from, to, '@some', 'room:1');
    await lost(from, to, '@some', 'room:1');
    await lost(from, to, '@heard');
    await eventually(() => said.length === 3);
    expect(said).to.deep.equal(['-', '- room:1', '= room:1'].map((extent) => `forked ${from} ${to} ${extent}`));
    hearing.disconnect();
  });

  it('are no more than what tells every reader: the last of what nobody heard, and old forks in one', async () => {
    const { from } = await fork();
    await client.rpush(GAPS, 'unrecorded 5 6 room:1', 'unrecorded 7 8');
    for (const name of ['a', 'b', 'c']) {
      const recorder = await RawRecorder.begin(() => server.client(), name);
      await client.publish('room:1', 'to nobody');
      await client.hset(LEASE, 'expires', 1);
      await recorder.lease('keep');
      recorder.end();
    }
    let second = 0;
    for (let i = 0; i < 12; i++) {
      const { to } = await fork();
      if (i === 0) second = to;
    }
    const all = await gaps();
    const unrecorded = all.filter((gap) => gap.startsWith('unrecorded'));
    expect(unrecorded).to.have.length(2);
    expect(unrecorded[0]).to.equal('unrecorded 5 6 room:1');
    expect(unrecorded[1]).to.match(/^unrecorded \d+ \d+$/);
    const [old, ...others] = all.filter((gap) => gap.startsWith('forked'));
    expect(old).to.equal(`forked ${from} ${second} +`);
    expect(others).to.have.length(11);
  });
});
