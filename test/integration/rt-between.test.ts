import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { askRt } from '../support/rt.ts';
import { startWorld, type World } from '../support/world.ts';

const PROTOCOL = { SISYPHUS_PROTOCOLS: 'rt', SISYPHUS_PUBLIC_CHANNELS: 'news:*' };
const TRIALS = 1000;
/** Trials that are under way at a time. */
const AT_A_TIME = 5;
/** How long each byte between gateway and Redis travels, one way (ms): a poll of a new channel takes some 20 ms to begin. */
const WAY = 2;
const SOON = 100;
const LATE = 3000;

describe('a message between any two steps of a long poll', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld(PROTOCOL, { redisDelayMs: WAY });
  });

  after(() => world.stop());

  it(`is answered within ${SOON} ms, before, while and after the poll subscribes`, async () => {
    const took: number[] = [];
    const trial = async (number: number): Promise<void> => {
      // Every other channel is subscribed already.
      const channel = number % 2 === 0 ? `news:cold${number}` : `news:hot${number % 10}`;
      const { revision = 0 } = await world.publish.fcall(channel, 'before');
      const asked = askRt(world.gateway.url, `c=${channel}&m=${revision}`);
      await wait(number % 30);
      const way = number % 3 === 0 ? world.publish.plain : world.publish.fcall;
      await way(channel, `${number}`);
      const published = performance.now();
      const answer = await asked;
      took.push(performance.now() - published);
      expect(answer).to.deep.equal({ [channel]: { status: 'ok', msg: [{ id: revision + 1, payload: number }] } });
    };
    for (let lane = 0; lane < TRIALS; lane += 10 * AT_A_TIME) {
      const lanes = Array.from({ length: AT_A_TIME }, async (_, i) => {
        // A hot channel belongs to one lane, so that no other trial publishes there.
        for (let n = 0; n < 10; n++) await trial(lane + 2 * i + (n % 2) + 10 * Math.floor(n / 2));
      });
      await Promise.all(lanes);
    }
    took.sort((a, b) => a - b);
    expect(took).to.have.length(TRIALS);
    // On a machine that runs twenty other things some are late, but none waits for its time-out. Alone, all are in time.
    expect(took[TRIALS * 0.9], `median ${took[TRIALS / 2]}`).to.be.below(SOON);
    expect(took.at(-1)).to.be.below(LATE);
  });
});
