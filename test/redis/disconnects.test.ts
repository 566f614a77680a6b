import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { disconnectsIn } from '../contract/disconnects.ts';
import { DEFAULTS, Ear } from '../contract/store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';

describe('disconnects in Redis', function () {
  this.timeout(30_000);
  let server: RedisServer;
  let redis: Redis;
  let relay: Relay;
  let store: RedisStore;
  let ear: Ear;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());

  beforeEach(async () => {
    await redis.flushall();
    relay = await startRelay({ targetPort: server.port });
    const url = `redis://127.0.0.1:${relay.port}`;
    store = new RedisStore({ url, logger: createLogger('silent'), ...DEFAULTS, rawChannels: [] });
    store.start();
    ear = await Ear.at(store);
  });

  afterEach(async () => {
    await store.close();
    await relay.stop();
  });

  const disconnect = (user: string): Promise<unknown> =>
    redis.call('FCALL', 'sisyphus_disconnect', '1', KEY, user) as Promise<unknown>;
  const users = (): (string | undefined)[] => disconnectsIn(ear).map(({ user }) => user);

  /** What a hub does about once a second. */
  async function marked(): Promise<void> {
    await store.source.mark([]);
  }

  /** Cuts the connections until `act` is done. */
  async function cutWhile(act: () => Promise<unknown>): Promise<void> {
    const before = ear.heard.filter((event) => event === 'up').length;
    relay.refusing = true;
    for (const link of [...relay.links]) link.cut();
    await eventually(() => ear.heard.at(-1) === 'down');
    await act();
    relay.refusing = false;
    await eventually(() => ear.heard.filter((event) => event === 'up').length > before);
  }

  it('that were missed are read before anything else is heard again, with the times at which they were made', async () => {
    await marked();
    await disconnect('6');
    await marked();
    let made = 0;
    await cutWhile(async () => {
      await disconnect('7');
      made = performance.now();
      await disconnect('8');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    });
    const [up, lost] = [ear.heard.lastIndexOf('up'), ear.heard.lastIndexOf('down')];
    const between = ear.heard.slice(lost + 1, up);
    expect(between).to.have.length(2);
    const [one, two] = disconnectsIn(ear).slice(-2);
    expect([one!.user, two!.user]).to.deep.equal(['7', '8']);
    expect(one!.at).to.be.within(made - 500, made + 500);
  });

  it('are read with the mark if nobody has said anything', async () => {
    await marked();
    await redis.call('ACL', 'SETUSER', 'default', 'resetchannels', '&sisyphus{0}/user*');
    await redis.call('ACL', 'SETUSER', 'app', 'on', 'nopass', '~*', '&*', '+@all');
    try {
      await cutWhile(async () => undefined);
      const app = server.client({ username: 'app', password: 'any' });
      await app.call('FCALL', 'sisyphus_disconnect', '1', KEY, '7');
      app.disconnect();
      expect(users()).to.deep.equal([]);
      await marked();
      expect(users()).to.deep.equal(['7']);
      await marked();
      expect(users()).to.deep.equal(['7']);
    } finally {
      await redis.call('ACL', 'SETUSER', 'default', 'allchannels');
    }
  });

  it('are everybody’s if more were missed than are kept, or if too much time has passed', async () => {
    await marked();
    await cutWhile(async () => {
      await disconnect('7');
      const { length } = (await redis.zrange(`${KEY}:disconnects`, '0', '-1')) as string[];
      expect(length).to.equal(1);
      const [, last] = (await redis.zrange(`${KEY}:disconnects`, '0', '-1', 'WITHSCORES')) as string[];
      const many = Array.from({ length: 10_050 }, (_, i) => [String(Number(last) + 1), `user u.${i}`]).flat();
      await redis.zadd(`${KEY}:disconnects`, ...many);
      await disconnect('8');
      expect(await redis.zcard(`${KEY}:disconnects`)).to.equal(10_000);
    });
    expect(users()).to.include(undefined);
    expect(users()).to.include('8');
    expect(users()).not.to.include('7');
    const said = users().length;
    await marked();
    expect(users()).to.have.length(said);
  });

  it('leave a gateway in peace that hears nothing new for long: only that it has heard nothing at all counts', async () => {
    await marked();
    const call = (heard: number): Promise<unknown> =>
      redis.call('FCALL_RO', 'sisyphus_disconnects_ro', '1', KEY, '5', String(heard)) as Promise<unknown>;
    const now = Date.now() * 1000;
    expect(await call(now - 599_000_000)).to.have.property('1', 0);
    expect(await call(now - 601_000_000)).to.have.property('1', 1);
  });

  it('are kept for ten minutes, once for each user, and their key ends', async () => {
    for (const user of ['7', '8', '7']) await disconnect(user);
    const id = Number(await disconnect('9'));
    await redis.zadd(`${KEY}:disconnects`, id - 601_000_000, 'user old');
    await disconnect('9');
    expect(await redis.zrange(`${KEY}:disconnects`, '0', '-1')).to.deep.equal(['user 8', 'user 7', 'user 9']);
    expect(await redis.pttl(`${KEY}:disconnects`)).to.be.within(590_000, 600_000);
  });

  it('reach a gateway after the store has lost its memory, and when its key is broken', async () => {
    await disconnect('6');
    await marked();
    await redis.flushall();
    await disconnect('7');
    await marked();
    expect(users()).to.include('7');
    await redis.set(`${KEY}:disconnects`, 'broken');
    await marked();
    await disconnect('8');
    await eventually(() => users().includes('8'));
    await redis.zadd(`${KEY}:disconnects`, Date.now() * 1000, 'somebody', Date.now() * 1000, 'user :');
    await disconnect('9');
    await eventually(() => users().includes('9'));
    expect(new Set(users())).to.deep.equal(new Set(['6', '7', '8', '9']));
  });

  it('reach a gateway whose ids have gone back with a new life', async () => {
    const ahead = (Date.now() + 3_600_000) * 1000;
    await redis.hset(`${KEY}:clock`, 'last', ahead);
    await disconnect('6');
    await marked();
    await redis.flushall();
    await disconnect('7');
    await eventually(async () => {
      await marked();
      return users().includes('7');
    });
  });

  it('are read in a moment, whatever else is said on the topic', async () => {
    let isOver = false;
    const flood = (async (): Promise<void> => {
      const batch = Array.from({ length: 50 }, () => ['publish', 'sisyphus{0}/@disconnect', '1']);
      while (!isOver) await redis.pipeline(batch).exec();
    })();
    try {
      const client = server.client();
      for (const user of ['7', '8']) {
        await client.call('FCALL', 'sisyphus_disconnect', '1', KEY, user);
        const watch = new Stopwatch(() => ({ redis: server.pid }));
        await marked();
        expect(watch.elapsed).to.be.below(1000);
        expect(users()).to.include(user);
      }
      client.disconnect();
    } finally {
      isOver = true;
      await flood;
    }
  });

  it('that the store has lost are noted again by a gateway that knows them, for one that was cut off', async () => {
    const other = new RedisStore({ url: server.url, logger: createLogger('silent'), ...DEFAULTS, rawChannels: [] });
    other.start();
    const knowing = await Ear.at(other);
    await Promise.all([marked(), other.source.mark([])]);
    let made = 0;
    await cutWhile(async () => {
      await disconnect('7');
      await redis.call('FCALL', 'sisyphus_revoke_tokens', '1', KEY, 'hash', '8', 'h'.repeat(43));
      made = performance.now();
      await eventually(() => disconnectsIn(knowing).length >= 2);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await redis.flushall();
    });
    expect(users()).to.deep.equal([]);
    // Either may be the first to find that the store is another one.
    await marked();
    await other.source.mark([]);
    await marked();
    expect(disconnectsIn(ear).map(({ user, credential }) => [user, credential])).to.deep.equal([
      ['7', undefined],
      ['8', 'h'.repeat(43)],
    ]);
    for (const { at } of disconnectsIn(ear)) expect(at).to.be.within(made - 500, made + 500);
    const before = await redis.hget(`${KEY}:clock`, 'disconnected');
    for (let i = 0; i < 3; i++) await Promise.all([marked(), other.source.mark([])]);
    expect(await redis.hget(`${KEY}:clock`, 'disconnected')).to.equal(before);
    await other.close();
  });

  it('that a replica has not got are noted again once it takes writes', async () => {
    await disconnect('6');
    await marked();
    await disconnect('7');
    await eventually(() => users().includes('7'));
    const [, first] = (await redis.zrange(`${KEY}:disconnects`, '0', '-1', 'WITHSCORES')) as string[];
    await redis.zrem(`${KEY}:disconnects`, 'user 7');
    await redis.hset(`${KEY}:clock`, 'disconnected', first!);
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
    await marked();
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
    expect((await redis.zrange(`${KEY}:disconnects`, '0', '-1')).length).to.equal(1);
    await eventually(async () => {
      await marked();
      return (await redis.zrange(`${KEY}:disconnects`, '0', '-1')).some((entry) => entry.startsWith('user 7 '));
    });
  });

  it('that Redis does not show to a gateway cost it nothing else, and are read once it does', async () => {
    const mayNot = [
      'reset',
      'on',
      'nopass',
      '&*',
      '+@all',
      '~user:*',
      ...['', ':c*', ':g*', ':s*'].map((end) => `~${KEY}${end}`),
    ];
    await redis.call('ACL', 'SETUSER', 'gate', ...mayNot);
    const lines: string[] = [];
    const logger = createLogger('info', { write: (line: string) => lines.push(line) });
    const gate = new RedisStore({
      url: `redis://gate:any@127.0.0.1:${server.port}`,
      logger,
      ...DEFAULTS,
      rawChannels: [],
    });
    gate.start();
    try {
      const other = await Ear.at(gate);
      await gate.source.mark([]);
      const id = Number(await disconnect('7'));
      for (let i = 0; i < 3; i++) expect((await gate.source.mark([])).position).to.be.at.least(id);
      expect(disconnectsIn(other)).to.deep.equal([]);
      expect(lines.filter((line) => line.includes('disconnects_unread'))).to.have.length(1);
      await redis.call('ACL', 'SETUSER', 'gate', `~${KEY}*`);
      await gate.source.mark([]);
      expect(disconnectsIn(other).map(({ user }) => user)).to.deep.equal(['7']);
    } finally {
      await gate.close();
      await redis.call('ACL', 'DELUSER', 'gate');
    }
  });

  it('are read from a Redis that takes no writes', async () => {
    await marked();
    await cutWhile(async () => {
      await disconnect('7');
      await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
    });
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
    expect(users()).to.deep.equal(['7']);
  });
});
