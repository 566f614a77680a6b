import { expect } from 'chai';
import { openFiles, residentMemory } from '../support/process-figures.ts';
import { openStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const TOTAL = 2_000;
const AT_ONCE = 40;

/** What a gateway holds, as it says itself and as Redis and the kernel see it. */
interface Held {
  streams: number;
  users: number;
  channels: number;
  subscriptions: number;
  listening: string[];
  patterns: number;
  connections: number;
  files: number;
}

describe(`${TOTAL} streams that come and go`, function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });

  after(() => world?.stop());

  async function held(): Promise<Held> {
    const { client, gateway } = world;
    const { streams, users, channels, subscriptions } = await gateway.status();
    const listening = ((await client.pubsub('CHANNELS')) as string[]).sort();
    const patterns = Number(await client.pubsub('NUMPAT'));
    const connections = String(await client.client('LIST'))
      .trim()
      .split('\n').length;
    return {
      streams,
      users,
      channels,
      subscriptions,
      listening,
      patterns,
      connections,
      files: await openFiles(gateway.pid),
    };
  }

  /** One visit, ended in one of the ways that visits end. */
  async function visit(number: number): Promise<void> {
    const user = `guest-${number}`;
    await world.allow(user, 'room:all', `room:${number}`, `folder:${number % 50}`);
    const headers: Record<string, string> = number % 3 === 0 ? { 'Last-Event-ID': '1' } : {};
    const stream = openStream({ port: world.gateway.port, path: `/?user=${number % 11 === 0 ? '*' : user}`, headers });
    const way = number % 5;
    if (way > 0) await stream.until(({ frames }) => frames.length > 0);
    if (way === 2) await world.publish.fcall(`room:${number}`, 'hello');
    if (way === 3) await world.client.srem(`user:${user}:channels`, `room:${number}`);
    if (way === 3) await world.publish.plain(`user:${user}`, 'your rights have changed');
    if (number % 2 === 0) stream.cut();
    else stream.close();
  }

  async function visits(from: number, to: number): Promise<void> {
    let next = from;
    const visitor = async (): Promise<void> => {
      while (next < to) await visit(next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, visitor));
  }

  it('leave nothing behind: no subscription, no socket, no Redis connection, no user, no memory', async () => {
    const staying = await world.openOk({ path: '/?user=staying' });
    const before = await held();
    expect(before).to.include({ streams: 1, users: 1 });
    await visits(0, TOTAL / 2);
    const halfway = await residentMemory(world.gateway.pid);
    await visits(TOTAL / 2, TOTAL);
    // A channel may be heard for a while after its last reader has gone.
    await eventually(
      async () => {
        const now = await held();
        expect(now, `${JSON.stringify(now)} instead of ${JSON.stringify(before)}`).to.deep.equal(before);
        return true;
      },
      90_000,
      200,
    );
    const grown = (await residentMemory(world.gateway.pid)) - halfway;
    expect(grown, 'bytes more than halfway').to.be.lessThan(40_000_000);

    await world.publish.fcall('user:staying', 'still there?');
    await staying.frame(({ data }) => data === 'still there?');
  });
});
