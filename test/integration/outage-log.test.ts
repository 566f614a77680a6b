import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Child } from '../support/child.ts';
import { postPublish } from '../support/publisher.ts';
import { startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { startWorld } from '../support/world.ts';

const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));

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

describe('the log of streams that end at once', function () {
  this.timeout(40_000);

  it('is twenty lines, and one that counts the others', async () => {
    const world = await startWorld();
    const { gateway } = world;
    try {
      for (let i = 0; i < 60; i++) await world.openOk({ path: `/?user=${i}` });
      gateway.kill('SIGTERM');
      await gateway.exited;
      const lines = gateway.logs.filter(({ event }) => event === 'stream_closed');
      expect(lines).to.have.length.within(20, 24);
      expect(lines.reduce((sum, { times = 1 }) => sum + Number(times), 0)).to.equal(60);
      expect(lines[0]).to.include({ reason: 'shutdown' }).and.to.have.property('milliseconds');
    } finally {
      await world.stop();
    }
  });
});

describe('the log for people', function () {
  this.timeout(40_000);

  it('is what SISYPHUS_LOG_FORMAT=text asks for, of all workers', async () => {
    const redis = await startRedis();
    const env = { PATH: process.env.PATH, PORT: '0', REDIS_URL: redis.url, SISYPHUS_WORKERS: '2' };
    const child = new Child(BIN, ['serve'], { env: { ...env, SISYPHUS_LOG_FORMAT: 'text' } });
    try {
      const listening = /^\d\d:\d\d:\d\d\.\d{3} INFO {2}listening worker=\d host=127\.0\.0\.1 port=\d+ .* \d+$/gm;
      await eventually(() => (child.stdout.match(listening) ?? []).length === 2, 15_000);
      expect(child.stdout).not.to.contain('{"level"');
      // Standard output is no terminal.
      expect(child.stdout).not.to.contain('\x1b');
    } finally {
      await child.end('SIGTERM', 15_000);
      await redis.stop();
    }
  });
});
