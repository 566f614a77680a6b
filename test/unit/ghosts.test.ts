import { expect } from 'chai';
import type { KernelQueues } from '../../src/connection/kernel-queues.ts';
import { Ghosts } from '../../src/session/ghosts.ts';

const INTERVAL = 10_000;
const SOME = { isEmpty: false } as KernelQueues;

/** A stream whose reader has acknowledged so many bytes, if not all. */
function stream(acknowledged: number | undefined) {
  return { acknowledged, connection: { acknowledged: () => acknowledged } };
}

describe('readers that have gone without saying so', () => {
  let clock: number;
  let ghosts: Ghosts;
  let reads: number;
  let answer: KernelQueues | undefined;

  beforeEach(() => {
    clock = 1_000_000;
    reads = 0;
    answer = SOME;
    const read = async () => {
      reads++;
      return answer;
    };
    ghosts = new Ghosts({ noopInterval: INTERVAL, now: () => clock, read });
  });

  type Stream = ReturnType<typeof stream>;

  /** What is found after so many milliseconds. */
  async function later(milliseconds: number, streams: Stream[]): Promise<Stream[]> {
    clock += milliseconds;
    const holders = streams.map((one) => Object.assign(one, { connection: one.connection as never }));
    return ghosts.find(holders);
  }

  it('are found when they have acknowledged nothing more over two noops', async () => {
    const gone = stream(100);
    expect(await later(2 * INTERVAL, [gone])).to.deep.equal([]);
    expect(await later(INTERVAL, [gone])).to.deep.equal([]);
    expect(await later(INTERVAL, [gone])).to.deep.equal([gone]);
  });

  it('are none that acknowledge a little now and then, or all of it', async () => {
    const slow = stream(100);
    const good = stream(undefined);
    for (let i = 0; i < 6; i++) {
      const queue = { acknowledged: 100 + i };
      slow.connection.acknowledged = () => queue.acknowledged;
      expect(await later(2 * INTERVAL, [slow, good])).to.deep.equal([]);
    }
  });

  it('are none that had acknowledged all in between', async () => {
    const one = stream(100);
    await later(2 * INTERVAL, [one]);
    one.connection.acknowledged = () => undefined;
    await later(2 * INTERVAL, [one]);
    one.connection.acknowledged = () => 100;
    expect(await later(2 * INTERVAL, [one])).to.deep.equal([]);
  });

  it('are looked for once in two noops, and sooner where somebody waits for a place', async () => {
    expect(ghosts.isDue).to.equal(false);
    clock += 2 * INTERVAL;
    expect(ghosts.isDue).to.equal(true);
    await ghosts.find([]);
    clock += INTERVAL;
    expect(ghosts.isDue).to.equal(false);
    ghosts.hurry();
    expect(ghosts.isDue).to.equal(true);
  });

  it('are looked for more rarely where a look takes long', async () => {
    const slow = new Ghosts({
      noopInterval: INTERVAL,
      now: () => clock,
      read: async () => {
        clock += 100;
        return SOME;
      },
    });
    await slow.find([]);
    clock += 49_000;
    expect(slow.isDue).to.equal(false);
    clock += 1000;
    expect(slow.isDue).to.equal(true);
  });

  it('are not looked for where the system does not tell', async () => {
    answer = undefined;
    expect(await later(2 * INTERVAL, [stream(100)])).to.deep.equal([]);
    clock += 10 * INTERVAL;
    expect([ghosts.isDue, ghosts.canTell, reads]).to.deep.equal([false, false, 1]);
  });
});
