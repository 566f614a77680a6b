import { expect } from 'chai';
import fc from 'fast-check';
import { resetsOf, textsOf } from '../support/frames-of.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { publishers } from '../support/publisher.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const ROOMS = ['room:1', 'room:2', 'room:3', 'room:4'];
const USERS = ['1', '2'];
const CHANNELS = [...ROOMS, ...USERS.map((user) => `user:${user}`)];

/** What is done to a key; `at` of them all, in their order. */
interface Damage {
  at: number;
  how: 'deleted' | 'string' | 'hash' | 'list' | 'zset' | 'stream' | 'number' | 'field' | 'lost field';
  value: string;
}

const damages = fc.array(
  fc.record<Damage>({
    at: fc.nat(1000),
    how: fc.constantFrom('deleted', 'string', 'hash', 'list', 'zset', 'stream', 'number', 'field', 'lost field'),
    value: fc.constantFrom(
      '',
      'text',
      '-1',
      '0',
      '1',
      '7.5',
      '1e30',
      '9007199254740991',
      '99999999999999999999',
      'nan',
    ),
  }),
  { minLength: 60, maxLength: 60 },
);

describe('a store whose keys are deleted and damaged', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let gateways: Gateway[];
  let streams: RawStream[];

  beforeEach(async () => {
    redis = await startRedis();
    gateways = [await startGateway({ REDIS_URL: redis.url }), await startGateway({ REDIS_URL: redis.url })];
    const client = redis.client();
    for (const user of USERS) await client.sadd(`user:${user}:channels`, ...ROOMS);
    await eventually(async () => (await client.exists('sisyphus:{0}:recorder')) === 1);
    streams = await Promise.all(gateways.map(({ port }, i) => openStream({ port, path: `/?user=${USERS[i]}` }).ok()));
  });
  afterEach(async () => {
    for (const stream of streams) stream.close();
    try {
      for (const gateway of gateways) await gateway.stop();
    } finally {
      await redis.stop();
    }
  });

  async function damage({ at, how, value }: Damage): Promise<void> {
    const client = redis.client();
    const keys = (await client.keys('sisyphus:*')).sort();
    const key = keys[at % keys.length];
    if (key !== undefined) await apply(key).catch(() => undefined);
    client.disconnect();

    async function apply(key: string): Promise<unknown> {
      if (how === 'field' || how === 'lost field') {
        const fields = await client.hkeys(key);
        const field = fields[at % fields.length]!;
        return how === 'field' ? client.hset(key, field, value) : client.hdel(key, field);
      }
      if (how === 'number') return client.set(key, value);
      await client.del(key);
      if (how === 'string') return client.set(key, value);
      if (how === 'hash') return client.hset(key, 'field', value);
      if (how === 'list') return client.rpush(key, value);
      if (how === 'zset') return client.zadd(key, 5, value);
      return how === 'stream' && client.xadd(key, '9007199254740000-0', 'm', value);
    }
  }

  /** Publishes until it is told to stop; answers what was not refused. */
  function load(): () => Promise<{ channel: string; text: string }[]> {
    const client = redis.client();
    const published: { channel: string; text: string }[] = [];
    let stopped = false;
    const running = (async () => {
      for (let i = 0; !stopped; i++) {
        const channel = CHANNELS[i % CHANNELS.length]!;
        const text = `${channel} ${i}`;
        if (i % 3 === 0) {
          await client.publish(channel, `plain ${text}`);
          published.push({ channel, text: `plain ${text}` });
        }
        const answer = await client.call('FCALL', 'sisyphus_publish', '0', channel, text).catch(() => undefined);
        if (answer) published.push({ channel, text });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    return async () => {
      stopped = true;
      await running;
      client.disconnect();
      return published;
    };
  }

  /** An error names a key that is broken; without it the channel begins anew. */
  async function mend(channel: string): Promise<void> {
    const client = redis.client();
    await eventually(async () => {
      const answer = await client
        .call('FCALL', 'sisyphus_publish', '0', channel, 'mended')
        .catch((error: Error) => error);
      if (!(answer instanceof Error)) return true;
      const [, key] = /^(?:WRONGTYPE|BADKEY) (sisyphus:\S+) is .*; expected /.exec(answer.message) ?? [];
      expect(key, answer.message).to.be.a('string');
      await client.del(key!);
      return false;
    });
    client.disconnect();
  }

  it('has its readers told, and goes on', async () => {
    for (const all of fc.sample(damages, { numRuns: 1, seed: Number(process.env.SEED ?? Date.now()) })) {
      const stop = load();
      for (const one of all) {
        await damage(one);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      const published = await stop();
      for (const channel of CHANNELS) await mend(channel);
      await expectToGoOn();
      for (const [i, stream] of streams.entries()) {
        const had = new Set(textsOf(stream));
        const told = new Set(resetsOf(stream).map((reset) => reset.split(' ')[0]));
        const followed = published.filter(
          ({ channel }) => !channel.startsWith('user:') || channel === `user:${USERS[i]}`,
        );
        const silent = followed.filter(({ channel, text }) => !had.has(text) && !told.has(channel));
        expect(silent, JSON.stringify(all)).to.deep.equal([]);
      }
    }
  });

  async function expectToGoOn(): Promise<void> {
    const client = redis.client();
    const { plain, fcall, http } = publishers(client, gateways[0]!.url);
    void http;
    await eventually(async () => {
      const ready = await Promise.all(gateways.map(async ({ url }) => (await fetch(`${url}/readyz`)).status));
      return ready.every((status) => status === 200);
    }, 10_000);
    for (const [i, stream] of streams.entries()) {
      expect(stream.closedAt, 'the stream is open').to.equal(0);
      // With a recorder that has just been elected, what was published before is not lost, but may take a moment.
      await eventually(async () => {
        const texts = [...ROOMS, `user:${USERS[i]}`].map((channel) => [channel, `after ${Math.random()}`] as const);
        for (const [channel, text] of texts) {
          await plain(channel, `plain ${text}`);
          await fcall(channel, text);
        }
        await stream.until(() => {
          const had = textsOf(stream);
          return texts.every(([, text]) => had.includes(text) && had.includes(`plain ${text}`));
        }, 2500);
        return true;
      }, 12_000);
      const ids = stream.frames.map(({ id }) => Number(id));
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b));
    }
    for (const { logs } of gateways) {
      const mistakes = logs.filter(({ reason }) =>
        /TypeError|is not a function|user_function/.test(String(reason ?? '')),
      );
      expect(mistakes).to.deep.equal([]);
    }
    client.disconnect();
  }
});
