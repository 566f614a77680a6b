import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('the trace of a batch', () => {
  let server: RedisServer;
  let client: Redis;
  before(async () => {
    server = await startRedis();
    client = server.client();
    await loadFunctions(client, new Keys(undefined, 0));
  });
  after(() => server.stop());

  const publish = (...more: string[]): Promise<unknown> =>
    client.fcall('sisyphus_publish_batch', 1, 'sisyphus:{0}', '', '', '0', 'room:1', 'text', '', ...more);

  it('stands in the header of each envelope', async () => {
    await publish('room:2', 'text', '', TRACE);
    for (const channel of ['room:1', 'room:2']) {
      const [[, [, envelope]]] = (await client.xrange(`sisyphus:{0}:channel:${channel}:msg_backlog`, '-', '+')) as [
        [string, [string, string]],
      ];
      expect(envelope).to.match(new RegExp(`^\\d+ 1 \\d+ - -/${TRACE} -\\ntext$`));
    }
  });

  it('that could end the header is refused, and nothing is published', async () => {
    const before = await client.dbsize();
    const forged = [`${TRACE.slice(0, 54)}\n`, TRACE.replace('4b', ' 4'), `${TRACE}0`, 'x', 'room:3'];
    for (const trace of forged) {
      const error = await publish(trace).catch(({ message }: Error) => message);
      expect(error, JSON.stringify(trace)).to.match(/^BADREQUEST expected FCALL sisyphus_publish_batch/);
    }
    expect(await client.dbsize()).to.equal(before);
    expect(await client.xlen('sisyphus:{0}:channel:room:1:msg_backlog')).to.equal(1);
  });
});
