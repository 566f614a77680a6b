import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import { newToken, parseToken, parseTtl } from '../../src/message/token.ts';
import { RedisStore } from '../../src/store/redis/redis-store.ts';
import { DEFAULTS } from '../contract/store.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const KEY = 'sisyphus:{0}';
const LUA = new URL('../../src/store/redis/lua/', import.meta.url);
const lua = (name: string): string => readFileSync(new URL(`${name}.lua`, LUA), 'utf8');

describe('tokens in Redis', function () {
  this.timeout(30_000);
  let server: RedisServer;
  let redis: Redis;
  let store: RedisStore;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  after(() => server.stop());

  beforeEach(async () => {
    await redis.flushall();
    await redis.function('FLUSH');
    store = new RedisStore({ url: server.url, logger: createLogger('silent'), ...DEFAULTS, rawChannels: [] });
    store.start();
    await eventually(() => store.isSettled);
  });
  afterEach(() => store.close());

  const fcall = (name: string, ...args: string[]): Promise<unknown> =>
    redis.call('FCALL', `sisyphus_${name}`, '1', KEY, ...args) as Promise<unknown>;
  const errorOf = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => '',
      ({ message }: Error) => message,
    );
  const mint = async (user: string, ttl = '1h'): Promise<{ token: string; expires: number }> => {
    const [token, expires] = (await fcall('token', user, ttl)) as [string, number];
    return { token, expires };
  };

  it('are hashed by SHA-256, as everywhere else', async () => {
    const script = `${lua('sha256')}\n${lua('base64url')}\nreturn to_base64url(sha256(ARGV[1]))`;
    const texts = [...Array.from({ length: 140 }, (_, i) => i), 1000, 5000].map((length) => randomBytes(length));
    for (const text of [Buffer.from('abc'), ...texts]) {
      const hash = await redis.call('EVAL', script, '0', text);
      expect(hash, `${text.length} bytes`).to.equal(createHash('sha256').update(text).digest('base64url'));
    }
  });

  it('are written in base64url, and read only as they are written', async () => {
    const script = `${lua('base64url')}\nlocal bytes = from_base64url(ARGV[1])\nreturn bytes and to_base64url(bytes) or 'none'`;
    for (let length = 0; length < 50; length++) {
      const text = randomBytes(length).toString('base64url');
      expect(await redis.call('EVAL', script, '0', text)).to.equal(text);
    }
    for (const text of ['A', 'AB', 'AAB', 'AA==', 'A+A', 'A A', 'é'])
      expect(await redis.call('EVAL', script, '0', text), text).to.equal('none');
    expect(parseToken(`N1.${'A'.repeat(43)}`)).to.equal(undefined);
    expect(parseToken(`Nw.${'A'.repeat(43)}`)).to.include({ user: '7' });
  });

  it('are made by a function for users with any id, and found by gateways', async () => {
    for (const user of ['7', 'auth0|65f', 'a+b@c', '__proto__', 'x'.repeat(128), '-']) {
      const before = Date.now();
      const { token, expires } = await mint(user);
      expect(token).to.match(/^[\w-]+\.[\w-]{43}$/);
      expect(expires).to.be.within(before + 3_600_000 - 50, Date.now() + 3_600_000 + 50);
      const parsed = parseToken(token)!;
      expect(parsed.user).to.equal(user);
      expect(await store.tokens.read([parsed])).to.satisfy(([state]: [unknown]) => typeof state === 'number');
      expect(await fcall('revoke_tokens', 'token', token)).to.equal(1);
      expect(await store.tokens.read([parsed])).to.deep.equal(['revoked']);
    }
  });

  it('are different each time, and none is in Redis', async () => {
    const tokens = await Promise.all(Array.from({ length: 200 }, async () => (await mint('7')).token));
    expect(new Set(tokens)).to.have.property('size', 200);
    const bits = tokens.map((token) => Buffer.from(token.split('.')[1]!, 'base64url'));
    const ones = bits.flatMap((bytes) => [...bytes]).join(' ');
    expect(new Set(ones.split(' '))).to.have.property('size', 256);
    for (const key of await redis.keys('*')) {
      const dump = (await redis.dumpBuffer(key)).toString('latin1');
      for (const token of tokens) expect(dump).not.to.contain(token.split('.')[1]);
    }
  });

  it('are not made before a gateway has brought random bits', async () => {
    await store.close();
    await redis.function('FLUSH');
    const other = new RedisStore({ url: server.url, logger: createLogger('silent'), ...DEFAULTS, rawChannels: [] });
    // This one only looks tokens up, and so loads the library, but does not say how it is configured.
    await redis.call('FUNCTION', 'LOAD', (await import('../../src/store/redis/library.ts')).LIBRARY);
    expect(await errorOf(fcall('token', '7', '1h'))).to.match(/^NORANDOM .*expected one to run/);
    expect(await redis.exists(`${KEY}:user:7:tokens`)).to.equal(0);
    other.start();
    await eventually(() => other.isSettled);
    await mint('7');
    await other.close();
  });

  it('are valid for a time that both sides read alike', async () => {
    const times = [
      '1s',
      '1000ms',
      '90',
      '2m',
      '1h',
      '365d',
      '31536000',
      '0',
      '999ms',
      '366d',
      '1w',
      '-1',
      '1.5',
      '',
      ' 1',
      '1H',
      '1e3',
      '9'.repeat(20),
    ];
    for (const text of times) {
      const ttl = parseTtl(text);
      const watch = new Stopwatch(() => ({ redis: server.pid }));
      const answer = await fcall('token', '7', text).catch(({ message }: Error) => message);
      if (ttl === undefined) expect(answer, text).to.match(/^BADREQUEST /);
      else expect((answer as [string, number])[1] - Date.now() - ttl, text).to.be.within(-200 - watch.waited, 200);
    }
    expect(parseTtl(90)).to.equal(90_000);
    for (const value of [0, -1, 0.5, 1e21, Number.NaN, null, undefined, ['1h'], {}])
      expect(parseTtl(value)).to.equal(undefined);
  });

  it('refuse what is no call, and change nothing then', async () => {
    const before = await redis.keys('*');
    for (const call of [
      ['token'],
      ['token', '7'],
      ['token', '7', '1h', 'x'],
      ['add_token', '7', 'x', '1000'],
      ['add_token', '7', 'a'.repeat(43), '1h'],
      ['revoke_tokens'],
      ['revoke_tokens', 'all'],
      ['revoke_tokens', 'user'],
      ['revoke_tokens', 'token', 'x'],
      ['revoke_tokens', 'token', `N1.${'A'.repeat(43)}`],
      ['revoke_tokens', 'hash', '7'],
    ] as [string, ...string[]][])
      expect(await errorOf(fcall(...call)), call.join(' ')).to.match(/^BADREQUEST /);
    expect(await errorOf(fcall('token', '1:channels', '1h'))).to.match(/^BADUSER /);
    expect(await errorOf(fcall('revoke_tokens', 'user', '*'))).to.match(/^BADUSER /);
    expect(await redis.keys('*')).to.have.members(before);
  });

  it('end with their keys, and those of long ago go with the next one', async () => {
    await store.tokens.add(newToken('7'), 86_400_000);
    await store.tokens.add(newToken('7'), 1000);
    const tokens = `${KEY}:user:7:tokens`;
    expect(await redis.pttl(tokens)).to.be.within(89_990_000, 90_000_000);
    await redis.zadd(tokens, Date.now() - 3_601_000, 'long ago', Date.now() - 3_500_000, 'lately');
    await store.tokens.add(newToken('7'), 1000);
    expect(await redis.zcard(tokens)).to.equal(4);
    expect(await redis.zscore(tokens, 'long ago')).to.equal(null);
    await store.tokens.revoke({ user: '7' });
    expect(await redis.pttl(`${KEY}:user:7:revoked`)).to.be.within(3_590_000, 3_600_000);
    expect(await redis.exists(tokens)).to.equal(0);
  });

  it('of one user are ten thousand at most: those that end first are dropped', async () => {
    const tokens = `${KEY}:user:7:tokens`;
    const many = Array.from({ length: 10_000 }, (_, i) => [String(Date.now() + 1_000_000 + i), `hash ${i}`]).flat();
    await redis.zadd(tokens, ...many);
    const last = newToken('7');
    await store.tokens.add(last, 86_400_000);
    expect(await redis.zcard(tokens)).to.equal(10_000);
    expect(await redis.zscore(tokens, 'hash 0')).to.equal(null);
    const watch = new Stopwatch(() => ({ redis: server.pid }));
    expect(await store.tokens.revoke({ user: '7' })).to.equal(10_000);
    expect(watch.elapsed).to.be.below(500);
    expect(await store.tokens.read([last])).to.deep.equal(['revoked']);
  });

  it('let nobody in if their key is broken, and a new one mends it', async () => {
    const token = newToken('7');
    await redis.set(`${KEY}:user:7:tokens`, 'broken');
    await redis.set(`${KEY}:user:7:revoked`, 'broken');
    expect(await store.tokens.read([token])).to.deep.equal(['unknown']);
    await store.tokens.add(token, 5000);
    expect(await store.tokens.revoke(token)).to.equal(1);
    expect(await store.tokens.read([token])).to.deep.equal(['revoked']);
  });

  it('are looked up while Redis takes no writes, in few calls however many streams open', async () => {
    const tokens = Array.from({ length: 500 }, (_, i) => newToken(`u.${i}`));
    for (const token of tokens) await store.tokens.add(token, 60_000);
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
    await redis.config('RESETSTAT');
    const states = await Promise.all(tokens.map((token) => store.tokens.read([token])));
    const error = await store.tokens.add(newToken('7'), 60_000).catch(({ code }: { code: string }) => code);
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
    expect(states.every(([state]) => typeof state === 'number')).to.equal(true);
    expect(error).to.equal('redis_refused');
    const [, calls] = /cmdstat_fcall_ro:calls=(\d+)/.exec(await redis.info('commandstats'))!;
    expect(Number(calls)).to.be.below(20);
  });
});
