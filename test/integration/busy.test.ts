import { expect } from 'chai';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const isBusy = ({ frames: [first] }: RawStream): boolean => first!.comments.some((comment) => comment.includes('busy'));

describe('more streams than Redis can answer', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  it('wait for a second, and are turned away for longer, the more there are; those that are open stay', async () => {
    const steady = await world.openOk();
    world.redis.kill('SIGSTOP');
    const streams = Array.from({ length: 900 }, (_, i) => world.open({ path: `/?user=${i}` }));
    // Those that wait for their turn are told after a second; those that opened would be turned away after 1.7.
    const isTold = ({ frames }: RawStream): boolean => frames.length > 0;
    await eventually(() => streams.filter(isTold).length === 700, 1600).catch(() => undefined);
    world.redis.kill('SIGCONT');
    await eventually(() => streams.every(isTold), 5000);
    const busy = streams.filter(isBusy);
    // So many may open at a time; those have the answer of Redis when it goes on.
    expect(busy).to.have.length(700);
    const retries = busy.map(({ frames }) => frames[0]!.retry!);
    expect(Math.min(...retries)).to.be.within(5000, 6000);
    expect(Math.max(...retries)).to.be.within(30_000, 40_000);
    expect(busy.every(({ lastEventId }) => Number(lastEventId) > 0)).to.equal(true);
    const status = await (await fetch(`${world.gateway.url}/status`)).json();
    expect(status).to.deep.include({ streams: 201 });
    expect(status).to.have.deep.nested.property('counters.refused', { busy: 700 });
    expect(status, 'who was refused has had no stream').to.have.deep.nested.property('counters.closed', {});
    await world.publish.fcall('user:1', 'still here');
    await steady.until(({ messages }) => messages.some(({ data }) => data === 'still here'));
    for (const stream of streams) stream.close();
    const again = await world.openOk({ path: '/?user=2' });
    again.close();
  });
});
