import { expect } from 'chai';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const LIMIT = 4;

describe('a user, all of whose streams are taken by readers that take nothing any more', function () {
  this.timeout(60_000);
  let world: World;
  let stalled: RawStream[];
  let slow: RawStream;
  let idle: RawStream;

  before(async () => {
    world = await startWorld({
      SISYPHUS_NOOP_INTERVAL: '500ms',
      SISYPHUS_MAX_STREAMS_PER_USER: String(LIMIT),
      // What the kernel does not take is within the bound.
      SISYPHUS_MAX_BUFFER: '64MB',
      SISYPHUS_BACKLOG_LENGTH: '1000',
    });
    await world.allow('1', 'bulk:1');
    await world.allow('2', 'bulk:1');
    stalled = await Promise.all(Array.from({ length: LIMIT }, () => world.openOk({ path: '/?user=1' })));
    slow = await world.openOk({ path: '/?user=2' });
    idle = await world.openOk({ path: '/?user=3' });
  });

  after(() => world?.stop());

  it('gets a place when they are found, and no reader is taken for one of them that takes a little', async () => {
    for (const stream of [...stalled, slow]) stream.pause();
    const pipeline = world.client.pipeline();
    for (let i = 0; i < 150; i++) pipeline.call('FCALL', 'sisyphus_publish', '0', 'bulk:1', 'x'.repeat(200_000));
    await pipeline.exec();
    const sipping = setInterval(() => {
      slow.resume();
      setTimeout(() => slow.pause(), 1);
    }, 400);
    try {
      const refused = world.open({ path: '/?user=1' });
      await refused.ended();
      expect(refused.frames[0]!.data).to.contain('error');
      await world.gateway.waitForLog(({ event, reason }) => event === 'stream_closed' && reason === 'gone', 15_000);
      await eventually(async () => (await world.gateway.status()).streams === 2, 5000);
      await world.openOk({ path: '/?user=1' });
    } finally {
      clearInterval(sipping);
    }
    slow.resume();
    await slow.until(({ messages }) => messages.length === 150, 20_000);
    expect([slow.closed, idle.closed]).to.deep.equal([false, false]);
  });
});
