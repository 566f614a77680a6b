import { expect } from 'chai';
import { resetsOf, textsOf } from '../support/frames-of.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const CHANNEL = 'sisyphus:{0}:channel:room:1';

describe('a broken key of one channel', function () {
  this.timeout(30_000);
  let world: World;
  let other: Gateway;

  before(async () => {
    world = await startWorld();
    other = await startGateway({ REDIS_URL: world.redis.url });
  });
  after(async () => {
    await other.stop();
    await world.stop();
  });

  beforeEach(async () => {
    await world.client.del('user:1:channels', `${CHANNEL}:msg_id`, `${CHANNEL}:msg_last`, `${CHANNEL}:msg_backlog`);
    await world.allow('1', 'room:1', 'room:2');
  });
  afterEach(() => world.closeStreams());

  async function unrecordable(): Promise<number> {
    return ((await world.gateway.status()).recorder as { unrecordable: number }).unrecordable;
  }

  for (const [name, command] of [
    ['head', ['HSET', `${CHANNEL}:msg_last`, 'a', 'b']],
    ['revision', ['SET', `${CHANNEL}:msg_id`, 'not ours']],
    ['backlog', ['SET', `${CHANNEL}:msg_backlog`, 'not ours']],
  ] as [string, [string, ...string[]]][]) {
    it(`(${name}) is told to its readers, also to one that was away and comes to another gateway; the others go on`, async () => {
      const [stays, away] = [await world.openOk(), await world.openOk()];
      away.close();
      await world.client.call(...command);
      const before = await unrecordable();
      for (let i = 0; i < 3; i++) {
        await world.publish.plain('room:1', `lost ${i}`);
        await world.publish.plain('room:2', `plain ${i}`);
        await stays.until(({ messages }) => messages.at(-1)?.data === `plain ${i}`);
      }
      expect(textsOf(stays)).to.deep.equal(['plain 0', 'plain 1', 'plain 2']);
      expect(new Set(resetsOf(stays))).to.deep.equal(new Set(['room:1 unrecorded']));
      // In its place: the third message of the other channel is behind the last of them.
      expect(stays.frames.at(-2)!.event).to.equal('reset');
      const headers = { 'Last-Event-ID': away.lastEventId! };
      const back = await openStream({ port: other.port, path: '/?user=1', headers }).ok();
      await back.until(() => textsOf(back).length === 3);
      expect(resetsOf(back)).to.deep.equal(['room:1 unrecorded']);
      back.close();
      await eventually(async () => (await unrecordable()) === before + 3);
      const logged = world.gateway.logs.filter(
        ({ event, reason }) => event === 'channel_unrecordable' && String(reason).includes(command[1]!),
      );
      expect(logged).to.have.length(1);
      expect(logged[0]).to.include({ channel: 'room:1' });
    });
  }
});
