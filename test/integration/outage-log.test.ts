import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { postPublish } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld } from '../support/world.ts';

describe('the log of an outage', function () {
  this.timeout(40_000);

  it('is as long with forty readers and publishers that try again and again as with none', async () => {
    const world = await startWorld({ SISYPHUS_REDIS_GRACE: '1s' });
    const { gateway } = world;
    try {
      await Promise.all(Array.from({ length: 20 }, (_, i) => world.openOk({ path: `/?user=${i}` })));
      const before = gateway.logs.length;
      world.redis.kill('SIGKILL');
      const end = Date.now() + 5000;
      let tries = 0;
      const readers = Array.from({ length: 40 }, async (_, i) => {
        for (; Date.now() < end; tries++) await world.open({ path: `/?user=${i}` }).ended(4000);
      });
      const publishers = Array.from({ length: 5 }, async () => {
        for (; Date.now() < end; tries++) {
          await postPublish(gateway.url, '{"channel":"room:1","data":"text"}');
          await pause(20);
        }
      });
      await Promise.all([...readers, ...publishers]);
      await world.redis.restart();
      const back = await gateway.waitForLog(({ event }) => event === 'redis_back', 10_000);
      await eventually(() => world.openOk());
      const lines = gateway.logs.slice(before);
      expect(tries).to.be.greaterThan(100);
      expect(lines.length, JSON.stringify(lines.map(({ event, reason }) => [event, reason]))).to.be.lessThan(16);
      expect(lines.filter(({ event }) => event === 'redis_away')).to.have.length(1);
      expect(back.ended).to.equal(20);
      expect(back.turnedAway).to.be.greaterThan(60);
      expect(back.milliseconds).to.be.within(4500, 12_000);
      expect(JSON.stringify(lines)).not.to.contain('stack');
    } finally {
      await world.stop();
    }
  });
});
