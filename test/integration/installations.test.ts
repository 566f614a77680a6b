import { expect } from 'chai';
import { Redis } from 'ioredis';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

interface Installation {
  env: Record<string, string>;
  key: string;
  client: Redis;
  gateway: Gateway;
}

const CLOCK = 'sisyphus:{0}:clock';

/** Settles when the only gateway has just reported its settings, which sets everything right: it does so again after 2.8 s. */
async function settingsReported(client: Redis): Promise<void> {
  const reported = async () => JSON.stringify(await client.hvals('sisyphus:{0}:gateways'));
  const before = await reported();
  await eventually(async () => (await reported()) !== before);
}

const textsOf = (stream: RawStream): (string | undefined)[] => stream.messages.map(({ data }) => data);

describe('on one Redis', function () {
  this.timeout(60_000);
  let server: RedisServer;
  let gateways: Gateway[] = [];
  let streams: RawStream[] = [];

  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  /** At the end of a group. */
  async function stopAll(): Promise<void> {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    gateways = [];
    await server.client().flushall();
  }

  afterEach(() => {
    for (const stream of streams) stream.close();
    streams = [];
  });

  async function start(env: Record<string, string>): Promise<Gateway> {
    const gateway = await startGateway({ REDIS_URL: server.url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET, ...env });
    gateways.push(gateway);
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200, 10_000);
    return gateway;
  }

  async function open(gateway: Gateway, user: string, lastEventId?: string): Promise<RawStream> {
    const headers: Record<string, string> = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
    const stream = openStream({ port: gateway.port, path: `/?user=${user}`, headers });
    streams.push(stream);
    return stream.ok();
  }

  describe('installations in other databases and with other namespaces', () => {
    let all: Installation[];
    before(async () => {
      const wanted: [string | undefined, number][] = [
        [undefined, 0],
        [undefined, 3],
        ['shop', 0],
        ['blog', 0],
      ];
      all = await Promise.all(
        wanted.map(async ([namespace, database]) => {
          const env = {
            REDIS_URL: `${server.url}/${database}`,
            ...(namespace === undefined ? {} : { SISYPHUS_NAMESPACE: namespace }),
          };
          const key = namespace === undefined ? 'sisyphus:{0}' : `sisyphus:{${namespace}:0}`;
          return { env, key, client: server.client({ db: database }), gateway: await start(env) };
        }),
      );
    });
    after(stopAll);

    /** A reader in each, who may follow the room. */
    async function readers(user: string, room: string): Promise<RawStream[]> {
      await Promise.all(all.map(({ client }) => client.sadd(`user:${user}:channels`, room)));
      return Promise.all(all.map(({ gateway }) => open(gateway, user)));
    }

    it('deliver what is published in one there alone, and what is published plainly once in each', async () => {
      const streams = await readers('1', 'room:1');
      const say = ({ client, key }: Installation, text: string) =>
        client.fcall('sisyphus_publish', 1, key, 'room:1', text);
      for (const [i, installation] of all.entries()) {
        await say(installation, `fcall ${i}`);
        const body = JSON.stringify({ channel: 'room:1', data: `http ${i}` });
        expect((await postPublish(installation.gateway.url, body)).status).to.equal(200);
        await installation.client.publish('room:1', `plain ${i}`);
      }
      const plain = all.map((_, i) => `plain ${i}`);
      for (const stream of streams) await stream.until(() => plain.every((text) => textsOf(stream).includes(text)));
      // What has gone astray is heard before it.
      for (const installation of all) await say(installation, 'end');
      for (const [i, stream] of streams.entries()) {
        await stream.until(() => textsOf(stream).includes('end'));
        expect(textsOf(stream)).to.have.members([`fcall ${i}`, `http ${i}`, ...plain, 'end']);
      }
      for (const { gateway } of all) {
        const status = await gateway.status();
        expect(status).to.nested.include({ 'recorder.role': 'leader', 'recorder.recorded': plain.length });
        expect(status).to.have.nested.property('counters.resets').that.deep.equals({});
      }
    });

    it('tell of rights in one there alone', async () => {
      const streams = await readers('2', 'room:2');
      for (const [i, { key, client }] of all.entries()) {
        await client.fcall('sisyphus_grant', 1, key, '2', `room:own-${i}`, `grant ${i}`);
        await client.fcall('sisyphus_publish', 1, key, `room:own-${i}`, `own ${i}`);
      }
      for (const [i, stream] of streams.entries()) {
        await stream.until(() => textsOf(stream).includes(`own ${i}`));
        expect(textsOf(stream)).to.deep.equal([`grant ${i}`, `own ${i}`]);
      }
    });

    it('restart without an alarm while others publish by function; what nobody heard there is still told', async () => {
      const [first, ...others] = all;
      const stream = (await readers('5', 'room:6'))[0]!;
      await first!.client.publish('room:6', 'before');
      await stream.until(() => textsOf(stream).includes('before'));
      first!.gateway.kill('SIGKILL');
      await first!.gateway.exited;
      for (const { key, client } of others) await client.fcall('sisyphus_publish', 1, key, 'room:6', 'meanwhile');
      const again = await start(first!.env);
      const back = await open(again, '5', stream.lastEventId);
      await first!.client.fcall('sisyphus_publish', 1, first!.key, 'room:6', 'after');
      await back.until(() => back.messages.length > 0);
      expect(textsOf(back)).to.deep.equal(['after']);

      again.kill('SIGKILL');
      await again.exited;
      await first!.client.publish('room:6', 'nobody hears this');
      const third = await start(first!.env);
      all[0] = { ...first!, gateway: third };
      const told = await open(third, '5', back.lastEventId);
      const reset = await told.frame(({ event }) => event === 'reset');
      expect(reset.data).to.contain('<reason>unrecorded</reason>');
    });

    it('begin again after FLUSHALL, each with the topics that its gateway listens to', async () => {
      const streams = await readers('4', 'room:5');
      await server.client().flushall();
      // A publisher begins the new life, and no gateway has configured it.
      for (const [i, { client, key }] of all.entries()) {
        await client.sadd('user:4:channels', 'room:5');
        await client.fcall('sisyphus_publish', 1, key, 'room:5', `first ${i}`);
      }
      for (const [i, stream] of streams.entries()) {
        await stream.until(() => textsOf(stream).includes(`first ${i}`));
        const resets = stream.frames.filter(({ event }) => event === 'reset');
        expect(resets.every(({ data }) => data!.includes('<reason>flushed</reason>'))).to.equal(true);
        expect(textsOf(stream).filter((text) => text?.startsWith('first'))).to.deep.equal([`first ${i}`]);
      }
    });

    it('are published to from the command line, also where functions are gone', async () => {
      const streams = await readers('3', 'room:3');
      for (const [i, { client, env }] of all.entries()) {
        await client.call('FUNCTION', 'FLUSH');
        expect(await runCommand(['publish', 'room:3', `by hand ${i}`], { env })).to.include({ code: 0, stderr: '' });
        const grant = ['grant', '3', 'room:4', `granted ${i}`];
        expect(await runCommand(grant, { env: { ...env, PORT: 'of another program' } })).to.include({
          code: 0,
          stderr: '',
        });
      }
      for (const [i, stream] of streams.entries()) {
        await stream.until(() => textsOf(stream).length >= 2);
        expect(textsOf(stream)).to.deep.equal([`by hand ${i}`, `granted ${i}`]);
      }
    });
  });

  describe('an application whose driver puts a prefix before names', () => {
    const PREFIX = 'laravel_database_';
    let gateway: Gateway;
    let client: Redis;
    before(async () => {
      gateway = await start({ SISYPHUS_KEY_PREFIX: PREFIX });
      client = server.client();
    });
    after(stopAll);

    it('publishes with it or without it, on one and the same channel', async () => {
      await client.sadd(`${PREFIX}user:1:channels`, 'room:1');
      const stream = await open(gateway, '1');
      await client.publish(`${PREFIX}room:1`, 'with');
      await client.publish('room:1', 'without');
      await client.publish(`${PREFIX}user:1`, 'own');
      await client.fcall('sisyphus_publish', 1, `${PREFIX}sisyphus:{0}`, 'room:1', 'end');
      await stream.until(() => ['without', 'own', 'end'].every((text) => textsOf(stream).includes(text)));
      expect(textsOf(stream)).to.have.members(['with', 'without', 'own', 'end']);
    });

    for (const prefix of [PREFIX, '']) {
      it(`keeps the list under it, and tells of changes ${prefix === '' ? 'without' : 'with'} it`, async () => {
        const user = prefix === '' ? '2' : '3';
        const list = `${PREFIX}user:${user}:channels`;
        const rooms = Array.from({ length: 30 }, (_, i) => `room:${user}-${i}`);
        await client.sadd(list, 'room:2', ...rooms);
        const stream = await open(gateway, user);
        await client.multi().sadd(list, 'room:3').publish(`${prefix}user:${user}`, 'granted').exec();
        await client.publish(`${prefix}room:3`, 'hello');
        await stream.until(() => textsOf(stream).includes('hello'));
        // The change is recorded after what is published by function behind it, and has to be heard before it.
        for (const room of rooms) {
          const secret = ['sisyphus_publish', 0, room, 'secret'] as const;
          await client
            .multi()
            .srem(list, room)
            .publish(`${prefix}user:${user}`, 'revoked')
            .fcall(...secret)
            .exec();
        }
        await client.publish(`${prefix}room:2`, 'end');
        await stream.until(() => textsOf(stream).includes('end'));
        expect(textsOf(stream)).to.deep.equal(['granted', 'hello', ...rooms.map(() => 'revoked'), 'end']);
      });
    }

    it('is granted by function what its list then has', async () => {
      const stream = await open(gateway, '4');
      await client.fcall('sisyphus_grant', 0, '4', 'room:4');
      await client.fcall('sisyphus_publish', 1, 'sisyphus:{0}', 'room:4', 'hello');
      await stream.until(() => textsOf(stream).includes('hello'));
      expect(await client.smembers(`${PREFIX}user:4:channels`)).to.deep.equal(['room:4']);
      expect(await client.exists('user:4:channels')).to.equal(0);
    });

    it('is granted so also by the first call after FLUSHALL', async () => {
      await client.multi().flushall().fcall('sisyphus_grant', 0, '6', 'room:6').exec();
      expect(await client.smembers(`${PREFIX}user:6:channels`)).to.deep.equal(['room:6']);
    });

    it('works with a driver that prefixes keys and not channels, as it is', async () => {
      const ioredis = new Redis(server.port, '127.0.0.1', { keyPrefix: PREFIX });
      await ioredis.sadd('user:5:channels', 'room:5');
      const stream = await open(gateway, '5');
      await ioredis.publish('room:5', 'plain');
      await ioredis.fcall('sisyphus_publish', 1, 'sisyphus:{0}', 'room:5', 'fcall');
      // The stream may also be told of the FLUSHALL before this.
      await stream.until(() => ['plain', 'fcall'].every((text) => textsOf(stream).includes(text)));
      ioredis.disconnect();
    });

    it('keeps it where somebody takes it away, at once', async () => {
      await settingsReported(client);
      await client.hset(CLOCK, 'prefix', '');
      await eventually(async () => (await client.hget(CLOCK, 'prefix')) === PREFIX, 2000);
    });

    it('keeps it where another gateway is not told of it, which says so', async () => {
      const other = await start({});
      const { msg } = await other.waitForLog(({ event }) => event === 'key_prefix_differs');
      expect(msg).to.match(/^SISYPHUS_KEY_PREFIX=laravel_database_ of another gateway counts; expected one for all/);
      await client.fcall('sisyphus_grant', 0, '7', 'room:7');
      expect(await client.smembers(`${PREFIX}user:7:channels`)).to.deep.equal(['room:7']);
    });
  });

  describe('a gateway says in its log', () => {
    after(stopAll);
    const linesOf = ({ logs }: Gateway, event: string) => logs.filter((line) => line.event === event);

    it('that plain channels are shared, and what to set, where there may be others', async () => {
      const environments: Record<string, string>[] = [
        {},
        { SISYPHUS_NAMESPACE: 'shop' },
        { REDIS_URL: `${server.url}?db=3` },
        { REDIS_URL: `${server.url}/3`, SISYPHUS_RAW_CHANNELS: '' },
        { SISYPHUS_NAMESPACE: 'own', SISYPHUS_KEY_PREFIX: 'own:', SISYPHUS_RAW_CHANNELS: 'own:*:*' },
      ];
      const started = await Promise.all(environments.map(start));
      const lines = started.map((gateway) => linesOf(gateway, 'plain_channels_shared'));
      expect(lines.map(({ length }) => length)).to.deep.equal([0, 1, 1, 0, 0]);
      expect(lines[1]![0]!.msg).to.match(/ expected SISYPHUS_KEY_PREFIX=shop: and SISYPHUS_RAW_CHANNELS=shop:\*:\* /);
      expect(lines[2]![0]!.msg).to.match(/ expected SISYPHUS_KEY_PREFIX=db3: and SISYPHUS_RAW_CHANNELS=db3:\*:\* /);
    });

    it('that the store takes its database for another one, and sets it right at once', async () => {
      const gateway = await start({ REDIS_URL: `${server.url}/4` });
      const client = server.client({ db: 4 });
      await client.sadd('user:1:channels', 'room:1');
      const stream = await open(gateway, '1');
      await settingsReported(client);
      const watch = new Stopwatch(() => ({ redis: server.pid, gateways: [gateway.pid] }));
      // As after SWAPDB.
      await client.hset(CLOCK, 'database', '0');
      await gateway.waitForLog(({ event, stored }) => event === 'database_differs' && stored === '0');
      await eventually(async () => (await client.hget(CLOCK, 'database')) === '4');
      expect(watch.elapsed).to.be.below(2500);
      await client.fcall('sisyphus_publish', 1, 'sisyphus:{0}', 'room:1', 'text');
      await stream.until(() => textsOf(stream).includes('text'));
    });

    it('which prefix its application may have, once, and nothing where there is none', async () => {
      const [ioredis, laravel, phpredis, none] = await Promise.all(
        [5, 6, 7, 8].map((database) =>
          start({ REDIS_URL: `${server.url}/${database}`, SISYPHUS_RAW_CHANNELS: `*${database}` }),
        ),
      );
      const clients = [5, 6, 7, 8].map((database) => server.client({ db: database }));
      await clients[0]!.sadd('app:user:1:channels', 'room:1');
      for (const user of ['1', '2', '1']) await open(ioredis!, user);
      for (const name of ['laravel_database_room:6', 'laravel_database_user:6'])
        await clients[1]!.publish(name, 'text');
      await clients[2]!.sadd('app.user:7:channels', 'room:1');
      await clients[2]!.publish('app.user:7', 'text');
      await clients[3]!.sadd('user:3:channels', 'room:1');
      for (const name of ['room:8', 'chat_room:8', 'user:8', 'superuser:8']) await clients[3]!.publish(name, 'text');
      for (const user of ['1', '3', '8']) await open(none!, user);
      const found = [ioredis!, laravel!, phpredis!];
      for (const gateway of found) await gateway.waitForLog(({ event }) => event === 'key_prefix_suspected');
      // By then the last one has had as much time.
      const lines = [...found, none!].map((gateway) => linesOf(gateway, 'key_prefix_suspected'));
      expect(lines.map((said) => said.map(({ prefix }) => prefix))).to.deep.equal([
        ['app:'],
        ['laravel_database_'],
        ['app.'],
        [],
      ]);
      expect(lines[0]![0]!.msg).to.match(/ expected SISYPHUS_KEY_PREFIX=app: /);
    });
  });
});
