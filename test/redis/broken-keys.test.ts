import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { DEFAULTS, kept, LATER, say, texts } from '../contract/store.ts';
import { contents, everyKey, publishCalls } from '../support/keys.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { readSlices } from '../support/read-slices.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';
const CHANNEL = `${KEY}:channel:room:1`;
const USER = `${KEY}:channel:user:7`;

/** What may become of the keys of a channel: a name, and the commands that do it. */
const DAMAGES: [string, string, string[][]][] = [
  [
    'room:1',
    'a revision that is a hash',
    [
      ['DEL', `${CHANNEL}:msg_id`],
      ['HSET', `${CHANNEL}:msg_id`, 'a', 'b'],
    ],
  ],
  ['room:1', 'a revision that is text', [['SET', `${CHANNEL}:msg_id`, 'abc']]],
  ['room:1', 'a revision with a fraction', [['SET', `${CHANNEL}:msg_id`, '1.5']]],
  ['room:1', 'a negative revision', [['SET', `${CHANNEL}:msg_id`, '-3']]],
  ['room:1', 'a revision at its limit', [['SET', `${CHANNEL}:msg_id`, '9007199254740991']]],
  ['room:1', 'a revision beyond all limits', [['SET', `${CHANNEL}:msg_id`, '9'.repeat(30)]]],
  ['room:1', 'a revision as INCR does not read it', [['SET', `${CHANNEL}:msg_id`, '007']]],
  [
    'room:1',
    'a head that is a list',
    [
      ['DEL', `${CHANNEL}:msg_last`],
      ['RPUSH', `${CHANNEL}:msg_last`, 'a'],
    ],
  ],
  ['room:1', 'a head that is text', [['SET', `${CHANNEL}:msg_last`, 'abc']]],
  ['room:1', 'a backlog that is text', [['SET', `${CHANNEL}:msg_backlog`, 'not ours']]],
  ['user:7', 'a head of a user that is text', [['SET', `${USER}:msg_last`, 'abc']]],
  ['user:7', 'a backlog of a user that is text', [['SET', `${USER}:msg_backlog`, 'not ours']]],
];

describe('a broken key of one channel', function () {
  this.timeout(10_000);
  let server: RedisServer;
  let redis: Redis;
  let store: RedisStore;
  let recorder: RawRecorder;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());

  beforeEach(async () => {
    await redis.flushall();
    store = new RedisStore({ ...DEFAULTS, url: server.url, logger: createLogger('silent'), rawChannels: [] });
    store.start();
    await eventually(async () => (await redis.hget(`${KEY}:clock`, 'max')) !== null);
    await redis.sadd('user:7:channels', 'room:1');
    await store.backlog.publish([say('room:1'), say('user:7'), say('room:2')]);
    await store.backlog.rights([{ user: '7' }]);
    recorder = await RawRecorder.begin(() => server.client(), 'a');
    expect(await recorder.lease('keep')).to.equal('leader');
  });
  afterEach(async () => {
    recorder.end();
    await store.close();
  });

  const gaps = () => redis.lrange(`${KEY}:gaps`, 0, -1);

  /** All but what tells the time. */
  async function everything(): Promise<Record<string, string>> {
    const { [`${KEY}:clock`]: _clock, ...others } = await everyKey(redis);
    return contents(others);
  }

  for (const [channel, name, commands] of DAMAGES) {
    describe(`(${name})`, () => {
      beforeEach(async () => {
        for (const [command, ...args] of commands) await redis.call(command!, ...args);
      });

      it('is an error by which nothing has happened, and which names the key', async () => {
        const before = await everything();
        const calls = await publishCalls(redis);
        const message = (error: Error) => error.message;
        const answers = [
          await redis.call('FCALL', 'sisyphus_publish', 1, KEY, channel, 'text').catch(message),
          channel === 'user:7' && (await redis.call('FCALL', 'sisyphus_grant', 1, KEY, '7', 'room:9').catch(message)),
          await store.backlog.publish([say('room:2'), say(channel), say('room:3')]).catch(message),
        ];
        for (const answer of answers.filter((answer) => answer !== false)) {
          expect(answer).to.match(/(WRONGTYPE|BADKEY) sisyphus:\{0\}:\S+ is .*; expected .*, or no such key/);
        }
        expect(answers.at(-1)).to.contain('nothing was published');
        expect(await publishCalls(redis)).to.equal(calls);
        expect(await everything()).to.deep.equal(before);
      });

      it('costs one plain PUBLISH, and a gap of that channel alone; the others of the batch are recorded', async () => {
        for (const to of ['room:2', channel, 'room:3', channel, 'room:2']) await redis.publish(to, `plain on ${to}`);
        const batch = [...(await recorder.hears(5))];
        const [recorded, skipped, ...failed] = await recorder.record(batch);
        expect([recorded, skipped]).to.deep.equal([3, 0]);
        expect([failed[0], failed[2], failed.length]).to.deep.equal([channel, channel, 4]);
        expect(await recorder.record(batch)).to.deep.equal([0, 5]);
        expect(texts(await kept(store, 'room:2'))).to.deep.equal(['hello', 'plain on room:2', 'plain on room:2']);
        const [gap, ...others] = await gaps();
        expect(others).to.deep.equal([]);
        const [, to] = new RegExp(`^unrecorded \\d+ (\\d+) ${channel}$`).exec(gap!)!;
        const [first, second] = (await kept(store, 'room:2')).slice(1);
        expect(Number(to)).to.be.above(first!.id).and.below(second!.id);
      });

      it('is mended by taking the key away: the next message is recorded', async () => {
        await redis.del(...commands.map(([, key]) => key!));
        expect(await redis.call('FCALL', 'sisyphus_publish', 1, KEY, channel, 'text')).to.have.nested.property('[1]');
        expect(texts(await kept(store, channel)).at(-1)).to.equal('text');
      });
    });
  }

  describe('that is missing', () => {
    const judge = async (after: number) =>
      (await readSlices(store.backlog, [{ channel: 'room:1', after: after as never, upTo: LATER }]))[0]!;

    for (const [lost, gap, revision] of [
      [['msg_id'], 'flushed', 1],
      [['msg_last'], 'trimmed', 2],
      [['msg_id', 'msg_last'], 'flushed', 1],
      [['msg_backlog', 'msg_last'], 'trimmed', 2],
    ] as const) {
      it(`(${lost.join(', ')}) lets the channel begin anew, and whoever was away is told`, async () => {
        const { position } = await store.source.mark([]);
        await redis.del(...lost.map((name) => `${CHANNEL}:${name}`));
        expect(await redis.call('FCALL', 'sisyphus_publish', 1, KEY, 'room:1', 'text')).to.have.nested.property(
          '[1]',
          revision,
        );
        const slice = await judge(position - 1);
        expect(texts(slice.messages)).to.deep.equal(['text']);
        expect(slice.gap).to.equal(gap);
      });
    }
  });

  describe('that is ahead of all ids', () => {
    for (const [name, command] of [
      ['head', ['SET', `${CHANNEL}:msg_last`, '9007199254740000']],
      ['backlog', ['XADD', `${CHANNEL}:msg_backlog`, '9007199254740000-0', 'm', 'not ours']],
      ["user's backlog", ['XADD', `${USER}:msg_backlog`, '9007199254740000-0', 'm', 'not ours']],
    ] as [string, string[]][]) {
      it(`(${name}) is left behind: what is published is recorded, alone or with others, and whoever was away is told`, async () => {
        const channel = command[1]!.includes('user:7') ? 'user:7' : 'room:1';
        const { position } = await store.source.mark([]);
        await redis.call(...(command as [string, ...string[]]));
        await store.backlog.publish([say('room:2'), say(channel, 'one')]);
        await redis.call(...(command as [string, ...string[]])).catch(() => undefined);
        await redis.call('FCALL', 'sisyphus_publish', 1, KEY, channel, 'two');
        const [slice] = await readSlices(store.backlog, [{ channel, after: (position - 1) as never, upTo: LATER }]);
        expect(texts(slice!.messages).at(-1)).to.equal('two');
        expect(slice!.gap).to.equal('trimmed');
        expect(slice!.messages.at(-1)!.revision).to.equal(3);
      });
    }
  });

  describe('of many channels', () => {
    it('leaves as many gaps as are kept, in which each of them is named', async () => {
      const channels = Array.from({ length: 100 }, (_, i) => `room:${100 + i}`);
      for (const channel of channels) await redis.set(`${KEY}:channel:${channel}:msg_id`, 'broken');
      for (let round = 0; round < 2; round++) {
        for (const channel of channels) await redis.publish(channel, 'lost');
        await recorder.record(await recorder.hears(100));
      }
      const all = await gaps();
      expect(all.length).to.be.at.most(16);
      expect(all.flatMap((gap) => gap.split(' ').slice(3)).sort()).to.deep.equal([...channels].sort());
      const ends = all.map((gap) => Number(gap.split(' ')[2]));
      expect(ends).to.deep.equal([...ends].sort((a, b) => a - b));
    });

    it("is everybody's gap where they are too many to be named", async () => {
      const channels = Array.from({ length: 250 }, (_, i) => `room:${100 + i}`);
      for (const channel of channels) await redis.set(`${KEY}:channel:${channel}:msg_id`, 'broken');
      for (const channel of channels) await redis.publish(channel, 'lost');
      await recorder.record(await recorder.hears(250));
      const all = await gaps();
      expect(all.length).to.be.at.most(32);
      expect(all[0]).to.match(/^unrecorded \d+ \d+$/);
    });
  });
});
