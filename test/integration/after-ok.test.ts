import { expect } from 'chai';
import type { Way } from '../support/publisher.ts';
import { startWorld, type World } from '../support/world.ts';

const STREAMS = 1000;
const SIDE_BY_SIDE = 25;

describe('what is published right after ok was read', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    // So much that a slow machine does not publish more than is kept before the stream is open.
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '10000' });
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

  it('has its place in one order, also on channels that nobody followed yet and that never rest', async () => {
    for (let round = 0; round < 40; round++) {
      const user = `busy-${round}`;
      const rooms = [1, 2, 3].map((n) => `room:${user}-${n}`);
      await world.allow(user, ...rooms);
      const { id: position } = await world.publish.fcall(rooms[0]!, 'before');
      const expected: string[] = [];
      let stopped = false;
      const publishing = (async () => {
        for (let i = 0; !stopped; i++) {
          await Promise.all(rooms.map((room) => world.publish.fcall(room, `${room} ${i}`)));
          expected.push(...rooms.map((room) => `${room} ${i}`));
        }
      })();
      const stream = await world.openOk({ path: `/?user=${user}`, headers: { 'Last-Event-ID': position! } });
      await stream.until(({ messages }) => messages.length > 30);
      stopped = true;
      await publishing;
      await stream.until(({ messages }) => messages.length >= Math.min(expected.length, 100));
      const last = await world.publish.fcall(rooms[0]!, 'after');
      await stream.until(({ lastEventId }) => lastEventId === last.id);
      const texts = stream.messages.map(({ data }) => data);
      expect(new Set(texts).size).to.equal(texts.length, 'nothing twice');
      expect(texts.slice(0, -1)).to.have.members(expected);
      const ids = stream.messages.map(({ id }) => Number(id));
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
      stream.close();
    }
  });
});
