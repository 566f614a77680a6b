import { expect } from 'chai';
import { createLogger } from '../../src/logger.ts';
import { BEGINNING } from '../../src/message/position.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { readSlices } from '../support/read-slices.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { refusal } from './publishing.ts';
import { redisPagesContract } from './redis-pages.ts';
import { redisRecorderContract } from './redis-recorder.ts';
import { redisRightsContract } from './redis-rights.ts';
import { redisTimelineContract } from './redis-timeline.ts';
import { DEFAULTS, Ear, LATER, type Settings, say, storeContract } from './store.ts';

let server: RedisServer;

before(async () => {
  server = await startRedis();
});
after(() => server.stop());

/** An empty Redis that knows how much is to be kept. */
async function open({ backlog, maxMessage, collections }: Settings): Promise<RedisStore> {
  const client = server.client();
  await client.flushall();
  const logger = createLogger('silent');
  const store = new RedisStore({ url: server.url, logger, backlog, maxMessage, collections, rawChannels: [] });
  store.start();
  await eventually(async () => (await client.hget('sisyphus:{0}:clock', 'max')) === String(maxMessage));
  client.disconnect();
  return store;
}

storeContract('the store in Redis', open);
redisRightsContract(open, () => server.client());
redisPagesContract(open, () => server.client());
redisRecorderContract(open, () => server.client());
redisTimelineContract(open, () => server.client());

describe('the store in Redis, and Redis', () => {
  it('are at one about what is subscribed', async () => {
    const store = await open(DEFAULTS);
    const redis = server.client();
    const subscribed = async (): Promise<number> => ((await redis.pubsub('CHANNELS', '*')) as string[]).length;
    await Ear.at(store, 'room:1', 'room:2', 'user:7');
    // The user's own is heard twice: recorded, and as it is published. And gaps are, and that all is recorded, and disconnects.
    // The probe of the connection is subscribed for a moment, too.
    await eventually(async () => (await subscribed()) === 7);
    store.source.unsubscribe(['room:1', 'user:7']);
    // Others that the test before has closed may still be going.
    await eventually(async () => (await subscribed()) === 4);
    await store.close();
    redis.disconnect();
  });

  it('say that a new life has begun, before anything of it', async () => {
    const store = await open(DEFAULTS);
    const redis = server.client();
    const ear = await Ear.at(store, 'room:1');
    await redis.flushall();
    const [published] = await store.backlog.publish([say('room:1')]);
    await ear.mark();
    const [birth, first] = ear.heard.slice(-3);
    const { born } = await store.source.mark([]);
    expect(birth).to.deep.equal({ born });
    expect(first).to.have.nested.property('message.id', published!.id);
    await store.close();
    redis.disconnect();
  });

  it('let a publisher begin a new life who may not say so', async () => {
    const store = await open(DEFAULTS);
    const redis = server.client();
    const rules = ['on', 'nopass', '~*', '+@all', 'resetchannels', '&sisyphus{0}/room/*', '&sisyphus{0}/@recorder'];
    await redis.call('ACL', 'SETUSER', 'app', ...rules);
    const answers = (await redis
      .multi()
      .flushall()
      .call('AUTH', 'app', 'any')
      .call('FCALL', 'sisyphus_publish', '0', 'room:1', 'text')
      .exec())!;
    expect(answers.at(-1)).to.have.nested.property('[1][1]', 1);
    // Nothing that was not said is counted as said: that would look like a plain PUBLISH that nobody heard.
    const [calls] = /(?<=cmdstat_publish:calls=)\d+/.exec(await redis.info('commandstats'))!;
    const said = await redis.hget('sisyphus:{0}:clock', 'said');
    expect(said).to.equal(calls);
    await redis.call('ACL', 'DELUSER', 'app');
    await store.close();
    redis.disconnect();
  });

  it('leave each other alone: a backlog of another type, or with something else in it, costs nobody else', async () => {
    const store = await open(DEFAULTS);
    const redis = server.client();
    const ids = await store.backlog.publish(['room:1', 'room:2', 'room:3'].map((channel) => say(channel)));
    await redis.xadd('sisyphus:{0}:channel:room:1:msg_backlog', `${ids[0]!.id}-1`, 'm', 'not ours');
    await redis.set('sisyphus:{0}:channel:room:2:msg_backlog', 'not ours');
    const requests = ids.map(({ channel }) => ({ channel, after: BEGINNING, upTo: LATER }));
    const slices = await readSlices(store.backlog, requests);
    expect(slices.map(({ messages }) => messages.length)).to.deep.equal([1, 0, 1]);
    expect(slices.map(({ gap }) => gap)).to.deep.equal([undefined, 'trimmed', undefined]);
    expect(await refusal(store.backlog.publish([say('room:3'), say('room:2')]))).to.equal('redis_refused');
    expect((await store.backlog.publish([say('room:1'), say('room:3')])).map(({ revision }) => revision)).to.deep.equal(
      [2, 2],
    );
    redis.disconnect();
    await store.close();
  });
});
