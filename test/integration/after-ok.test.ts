import { expect } from 'chai';
import type { Way } from '../support/publisher.ts';
import { startWorld, type World } from '../support/world.ts';

const STREAMS = 1000;
const SIDE_BY_SIDE = 25;

describe('what is published right after ok was read', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });

  after(() => world.stop());

  it(`reaches the reader, on ${STREAMS} fresh streams`, async () => {
    const ways: Way[] = ['plain', 'fcall', 'http'];
    let next = 0;
    let received = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < STREAMS; i = next++) {
        // Half of the rooms have no subscription yet, half of them have been heard before.
        const room = i % 2 === 0 ? `room:fresh-${i}` : `room:${i % 10}`;
        await world.allow(`fresh-${i}`, room);
        const stream = await world.openOk({ path: `/?user=fresh-${i}` });
        await world.publish[ways[i % 3]!](room, `text-${i}`);
        await stream.until(({ messages }) => messages.some(({ data }) => data === `text-${i}`));
        received++;
        stream.close();
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    expect(received).to.equal(STREAMS);
  });
});
