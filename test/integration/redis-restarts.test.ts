import { expect } from 'chai';
import { playRestarts } from '../support/redis-restarts.ts';

describe('a restart of Redis', function () {
  this.timeout(30_000);

  it('tells each reader of each channel that plain PUBLISHes may be lost, if they are recorded and there were any', async () => {
    const common = { readers: 5, restarts: 1, pause: 800 };
    const [some, none, off] = await Promise.all([
      playRestarts({ ...common, rawChannels: '*:*', hasPlain: true }),
      playRestarts({ ...common, rawChannels: '*:*', hasPlain: false }),
      playRestarts({ ...common, rawChannels: '', hasPlain: true }),
    ]);
    expect(some.resets).to.deep.equal({ unrecorded: 10 });
    expect([none.resets, off.resets]).to.deep.equal([{}, {}]);
    for (const { lost, ended, published } of [some, none, off]) {
      expect([lost, ended]).to.deep.equal([0, 0]);
      expect(published).to.be.above(20);
    }
  });
});
