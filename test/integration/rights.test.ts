import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

/** Trials of each kind; they go over `USERS` streams side by side. */
const TRIALS = 1000;
const USERS = 20;

type Way = 'plain' | 'fcall';

/** What an application sends back to back, in one write: nothing is awaited in between. */
function send(redis: Redis, commands: (string | number)[][]): Promise<unknown> {
  return Promise.all(commands.map(([name, ...args]) => redis.call(String(name), ...args)));
}

function say(way: Way, channel: string, text: string): string[] {
  return way === 'plain' ? ['PUBLISH', channel, text] : ['FCALL', 'sisyphus_publish', '0', channel, text];
}

function change(way: Way, kind: 'grant' | 'revoke', user: string, channel: string, text: string): string[][] {
  if (way === 'fcall') return [['FCALL', `sisyphus_${kind}`, '0', user, channel, text]];
  const command = kind === 'grant' ? 'SADD' : 'SREM';
  return [[command, `user:${user}:channels`, channel], say('plain', `user:${user}`, text)];
}

describe('rights that change while the stream is open', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_MAX_STREAMS_PER_USER: '1000' });
  });

  after(() => world.stop());
  afterEach(() => world.closeStreams());

  async function streams(prefix: string): Promise<{ user: string; stream: RawStream }[]> {
    return Promise.all(
      Array.from({ length: USERS }, async (_, i) => {
        const user = `${prefix}-${i}`;
        return { user, stream: await world.openOk({ path: `/?user=${user}` }) };
      }),
    );
  }

  for (const [granting, publishing] of [
    ['plain', 'plain'],
    ['fcall', 'fcall'],
    ['fcall', 'plain'],
    ['plain', 'fcall'],
  ] as const) {
    const mixed = granting === 'plain' && publishing === 'fcall';
    it(`a ${granting} grant, then a ${publishing} message: it arrives, ${mixed ? 'in the order of ids' : 'after the grant'}`, async () => {
      const readers = await streams(`grant-${granting}-${publishing}`);
      const perUser = TRIALS / USERS;
      await Promise.all(
        readers.map(async ({ user, stream }) => {
          for (let i = 0; i < perUser; i++) {
            const room = `room:${user}-${i}`;
            await send(world.client, [
              say(publishing, room, `before-${i}`),
              ...change(granting, 'grant', user, room, `grant-${i}`),
              say(publishing, room, `message-${i}`),
            ]);
            await stream.until(({ messages }) => {
              const texts = messages.map(({ data }) => data);
              return texts.includes(`grant-${i}`) && texts.includes(`message-${i}`);
            });
          }
          const texts = stream.messages.map(({ data }) => data);
          expect(texts).to.have.length(2 * perUser, 'each once, and nothing from before the grant');
          if (!mixed) {
            const expected = Array.from({ length: perUser }, (_, i) => [`grant-${i}`, `message-${i}`]).flat();
            expect(texts).to.deep.equal(expected);
          }
          const ids = stream.messages.map(({ id }) => Number(id));
          expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
        }),
      );
    });
  }

  for (const [revoking, publishing] of [
    ['plain', 'plain'],
    ['fcall', 'fcall'],
    ['fcall', 'plain'],
    ['plain', 'fcall'],
  ] as const) {
    it(`a ${revoking} revocation, then a ${publishing} message: it does not arrive, and what was before it does`, async () => {
      const readers = await streams(`revoke-${revoking}-${publishing}`);
      const perUser = TRIALS / USERS;
      await Promise.all(
        readers.map(async ({ user, stream }) => {
          const expected: string[] = [];
          for (let i = 0; i < perUser; i++) {
            const room = `room:${user}-${i}`;
            await send(world.client, change('fcall', 'grant', user, room, `grant-${i}`));
            const last = say(publishing, `user:${user}`, `last-${i}`);
            const first = [
              say(publishing, room, `before-${i}`),
              ...change(revoking, 'revoke', user, room, `revoke-${i}`),
              say(publishing, room, `secret-${i}`),
            ];
            // The last may tell of the revocation before its own message is recorded; half of the time it comes too late for that.
            const together = i % 2 === 0;
            await send(world.client, together ? [...first, last] : first);
            if (!together) await send(world.client, [last]);
            expected.push(`grant-${i}`, `before-${i}`, `revoke-${i}`, `last-${i}`);
            await stream.until(({ messages }) => messages.some(({ data }) => data === `last-${i}`));
            await stream.until(({ messages }) => messages.some(({ data }) => data === `revoke-${i}`));
          }
          const texts = stream.messages.map(({ data }) => data);
          expect(texts.filter((text) => text?.startsWith('secret'))).to.deep.equal([]);
          expect([...texts].sort()).to.deep.equal([...expected].sort());
        }),
      );
    });
  }

  it('channels that stay are not touched by a burst of messages to the user', async () => {
    await world.allow('burst', 'room:stays');
    const stream = await world.openOk({ path: '/?user=burst' });
    const commands: string[][] = [];
    for (let i = 0; i < 100; i++)
      commands.push(say('plain', 'user:burst', `u${i}`), say('fcall', 'room:stays', `r${i}`));
    await send(world.client, commands);
    await stream.until(({ messages }) => messages.length === 200);
    const rooms = stream.messages.map(({ data }) => data).filter((data) => data?.startsWith('r'));
    expect(rooms).to.deep.equal(Array.from({ length: 100 }, (_, i) => `r${i}`));
  });

  for (const type of ['set', 'list', 'sorted set'] as const) {
    it(`the list may be a ${type}`, async () => {
      const user = `type-${type.replace(' ', '')}`;
      const key = `user:${user}:channels`;
      const add = (...names: string[]): Promise<unknown> =>
        type === 'set'
          ? world.client.sadd(key, ...names)
          : type === 'list'
            ? world.client.rpush(key, ...names)
            : world.client.zadd(key, ...names.flatMap((name) => [1, name]));
      await add('room:1', 'not a channel', 'room:2');
      const stream = await world.openOk({ path: `/?user=${user}` });
      await add('room:3');
      await send(world.client, [
        say('plain', `user:${user}`, 'changed'),
        ...[1, 2, 3].map((n) => say('plain', `room:${n}`, `m${n}`)),
      ]);
      await stream.until(({ messages }) => messages.length === 4);
      expect(stream.messages.map(({ data }) => data)).to.deep.equal(['changed', 'm1', 'm2', 'm3']);
    });
  }

  it('a list of the wrong type leaves the user with the own channel alone', async () => {
    await world.client.set('user:broken:channels', 'room:1');
    const stream = await world.openOk({ path: '/?user=broken' });
    await send(world.client, [say('fcall', 'room:1', 'no'), say('fcall', 'user:broken', 'yes')]);
    await stream.until(({ messages }) => messages.length === 1);
    expect(stream.messages[0]!.data).to.equal('yes');
  });

  it('a channel granted while the reader was away is replayed from the grant; a revoked one is not replayed', async () => {
    await world.allow('away', 'room:old', 'room:gone');
    const first = await world.openOk({ path: '/?user=away' });
    const position = first.lastEventId!;
    first.close();
    await send(world.client, [
      say('fcall', 'room:new', 'before the grant'),
      say('fcall', 'room:gone', 'before the revocation'),
      ...change('plain', 'grant', 'away', 'room:new', 'granted'),
      ...change('plain', 'revoke', 'away', 'room:gone', 'revoked'),
    ]);
    // Both are recorded before what follows, so that this test asks about replay and about nothing else.
    const witness = await world.openOk({ path: '/?user=away', headers: { 'Last-Event-ID': position } });
    await witness.until(({ messages }) => messages.some(({ data }) => data === 'revoked'));
    await send(world.client, [say('fcall', 'room:new', 'after the grant'), say('fcall', 'room:gone', 'secret')]);
    await witness.until(({ messages }) => messages.some(({ data }) => data === 'after the grant'));
    const back = await world.openOk({ path: '/?user=away', headers: { 'Last-Event-ID': position } });
    await back.until(({ messages }) => messages.some(({ data }) => data === 'after the grant'));
    expect(back.frames.slice(1).map(({ data }) => data)).to.deep.equal(['granted', 'revoked', 'after the grant']);
  });

  it('a channel that was revoked is left after a while, also if nothing else happens, and is not reset any more', async () => {
    const quiet = await startWorld({ SISYPHUS_RAW_CHANNELS: '' });
    try {
      await quiet.allow('1', 'room:1', 'room:2');
      const stream = await quiet.openOk();
      const subscriptions = async (): Promise<unknown> => (await quiet.gateway.status()).subscriptions;
      expect(await subscriptions()).to.equal(3);
      // What the opening of the stream left to be looked at has been.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await quiet.client.call('FCALL', 'sisyphus_revoke', '1', 'sisyphus:{0}', '1', 'room:1');
      await eventually(async () => (await subscriptions()) === 2, 15_000, 200);
      await quiet.client.flushall();
      const resets = (): string[] =>
        stream.frames.filter(({ event }) => event === 'reset').map(({ data }) => /<channel>(.*?)</.exec(data!)![1]!);
      await eventually(() => resets().length >= 2);
      expect(resets().sort()).to.deep.equal(['room:2', 'user:1']);
    } finally {
      await quiet.stop();
    }
  });

  it('a change without a message is found within the time of a re-read', async () => {
    const stream = await world.openOk({ path: '/?user=healed' });
    await world.allow('healed', 'room:healed');
    const deadline = Date.now() + 45_000;
    while (stream.messages.length === 0 && Date.now() < deadline) {
      await world.publish.fcall('room:healed', 'there');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(stream.messages.length).to.be.greaterThan(0);
  });
});
