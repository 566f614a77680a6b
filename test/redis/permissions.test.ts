import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys as Names } from '../../src/store/redis/keys.ts';
import { contents, everyKey, type Keys, publishCalls, restoreKeys } from '../support/keys.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const KEY = 'sisyphus:{0}';
const LISTS = ['user:7:channels', 'user:8:channels', 'user:9:channels'];
const CHANNELS = ['room:1', 'room:2', 'room:3', 'user:7', 'user:8', 'user:9', 'collection:drivers'];

/** Every key that a function may touch; and every topic on which one may speak. */
const KEYS = [
  ...['', ':clock', ':gaps', ':recorder', ':standbys', ':disconnects', ':idempotency:*'].map((name) => KEY + name),
  ...CHANNELS.flatMap((name) => ['id', 'last', 'backlog'].map((part) => `${KEY}:channel:${name}:msg_${part}`)),
  ...['7', '8', '9'].flatMap((user) =>
    ['rights', 'changes', 'tokens', 'revoked'].map((part) => `${KEY}:user:${user}:${part}`),
  ),
  ...[':poll:one', ':poll:one:queue', ':poll:gone', ':inbox', ':inbox:worker', ':inbox:dead'].map((name) => KEY + name),
  ...['', ':a', ':b'].map((gateway) => `${KEY}:streams${gateway}`),
  ...['records', 'state', 'expires'].map((part) => `${KEY}:collection:drivers:${part}`),
  ...LISTS,
];
const TOPICS = [
  ...CHANNELS.map((name) => name.replace(':', '/')),
  '@gap',
  '@anchor',
  '@recorder',
  '@settle',
  '@settled',
  '@disconnect',
  '@poll/a',
].map((name) => `sisyphus{0}/${name}`);

const HASH = 'h'.repeat(43);

/** What is called; `state` is the store that it is called in. */
const CALLS: { name: string; state: State; args: string[] }[] = [
  { name: 'a message', state: 'usual', args: ['publish', 'room:1', 'text'] },
  { name: 'a message of a new channel', state: 'usual', args: ['publish', 'room:3', 'text'] },
  { name: 'a message of a channel that has lost a key', state: 'lost', args: ['publish', 'room:1', 'text'] },
  { name: 'a message to a user', state: 'usual', args: ['publish', 'user:7', 'text'] },
  { name: 'a message to a user whose list has changed', state: 'changed', args: ['publish', 'user:8', 'text'] },
  { name: 'several', state: 'changed', args: batch('', 'room:1', 'user:8', 'room:2', 'user:9', 'room:1') },
  { name: 'several with a key', state: 'usual', args: batch('key', 'room:1', 'room:2') },
  { name: 'a grant on a set', state: 'usual', args: ['grant', '7', 'room:9'] },
  { name: 'a grant on a list', state: 'usual', args: ['grant', '8', 'room:9'] },
  { name: 'a grant on a sorted set', state: 'changed', args: ['grant', '9', 'room:9'] },
  { name: 'a revocation', state: 'usual', args: ['revoke', '7', 'room:1'] },
  { name: 'a revocation with a key', state: 'usual', args: ['change', 'key', '', '1000', 'revoke', '8', 'room:1'] },
  { name: 'the record of plain ones', state: 'changed', args: record('room:1', 'user:8', 'room:2') },
  { name: 'the record of some that fail', state: 'lost', args: record('room:1', 'room:2', 'room:1') },
  { name: 'the lease of one who has none', state: 'usual', args: lease('b', 'keep') },
  { name: 'the lease of its owner', state: 'usual', args: lease('a', 'keep') },
  { name: 'the lease of the first one', state: 'lost', args: lease('b', 'keep') },
  { name: 'a lease that is given back', state: 'usual', args: lease('a', 'release') },
  { name: 'an anchor', state: 'usual', args: ['anchor', 'a'] },
  { name: 'settings', state: 'usual', args: ['configure', '10', '90000', '', '2000'] },
  {
    name: 'a mark of one who has heard more',
    state: 'usual',
    args: ['mark', `${Date.now() * 1000 + 3_600_000_000}`, 'room:1'],
  },
  { name: 'a question whether all is recorded', state: 'usual', args: ['settle'] },
  { name: 'the answer to it', state: 'usual', args: ['record', 'a', 'life:1', '9', '1', '', ''] },
  { name: 'other plain channels', state: 'usual', args: ['anchor', 'a', 'room:*'] },
  { name: 'settings', state: 'usual', args: configure('b', 'folder:*') },
  { name: 'the end of a gateway', state: 'usual', args: ['leave', 'b', '10000'] },
  { name: 'streams at one of two gateways', state: 'usual', args: ['streams', 'a', '1', 'keep', '4', '7 1 1 8 0 0'] },
  { name: 'streams at a new gateway', state: 'usual', args: ['streams', 'c', '1', 'begin', '20', ''] },
  { name: 'what a fork has cost', state: 'forked', args: ['lost', '5', '9', '@some', 'room:1'] },
  { name: 'a position', state: 'usual', args: ['position'] },
  { name: 'a disconnect', state: 'usual', args: ['disconnect', '7'] },
  { name: 'a disconnect that was lost', state: 'usual', args: ['disconnect_again', 'user 7', `${Date.now()}000`] },
  { name: 'a disconnect after a promotion', state: 'promoted', args: ['disconnect', '7'] },
  { name: 'a token', state: 'usual', args: ['token', '7', '1h'] },
  { name: 'the hash of a token', state: 'usual', args: ['add_token', '8', HASH, '60000'] },
  { name: 'a token that is revoked', state: 'usual', args: ['revoke_tokens', 'hash', '7', HASH] },
  { name: 'all tokens of a user, which are revoked', state: 'promoted', args: ['revoke_tokens', 'user', '7'] },
  { name: 'lists', state: 'changed', args: ['rights', 'look', '7', '-', '8', '-'] },
  { name: 'a poll session', state: 'usual', args: ['poll_open', 'two', '1', '7', '', '', '', 'gone'] },
  { name: 'a newer poll', state: 'usual', args: ['poll_claim', 'one', 'q', 'b', 'begin', ''] },
  {
    name: 'a poll that gets a stream',
    state: 'usual',
    args: ['poll_claim', 'one', 'q', 'b', 'begin', '', '5', '1', '0', 'x'],
  },
  { name: 'the end of a poll', state: 'usual', args: ['poll_end', 'one', 'p', 'back'] },
  { name: 'a message to a browser', state: 'usual', args: ['poll_send', 'one', 'text'] },
  { name: 'a message of a browser', state: 'usual', args: ['poll_receive', 'one', 'request', 'text'] },
  { name: 'the lease of the inbox', state: 'usual', args: ['inbox', 'lease', 'a', '1000'] },
  { name: 'a message that is buried', state: 'usual', args: ['inbox', 'bury', 'data', 'text'] },
  { name: 'a collection', state: 'usual', args: ['put', 'drivers', '[{"name":"a"},{"name":"c"}]'] },
  {
    name: 'a part of a collection',
    state: 'promoted',
    args: ['patch', 'drivers', '[{"type":"delete","data":{"name":"b"}}]'],
  },
  { name: 'records that end', state: 'usual', args: ['expire_records', 'drivers'] },
  { name: 'the first message of all', state: 'empty', args: ['publish', 'room:1', 'text'] },
  { name: 'the first message after a promotion', state: 'promoted', args: ['publish', 'room:1', 'text'] },
];
type State = 'usual' | 'changed' | 'forked' | 'lost' | 'empty' | 'promoted';

function configure(gateway: string, patterns: string): string[] {
  return ['configure', '7', '60000', '', '1000', '0', '', patterns, gateway, '10000'];
}

function batch(key: string, ...channels: string[]): string[] {
  return ['publish_batch', key, '', '1000', ...channels.flatMap((channel) => [channel, 'text', ''])];
}

function record(...channels: string[]): string[] {
  return ['record', 'a', 'life:1', ...channels.flatMap((channel, i) => ['9', String(i + 1), channel, 'text'])];
}

function lease(owner: string, wanted: string): string[] {
  return ['lease', owner, '900', '*:*', '5', 'life:1', '0', '0', 'life:1', wanted, '-'];
}

describe('a caller who may not do all that a function does', function () {
  this.timeout(60_000);
  let server: RedisServer;
  let redis: Redis;
  const states = {} as Record<State, Keys>;

  before(async () => {
    server = await startRedis();
    redis = server.client();
    await loadFunctions(redis, new Names(undefined, 0));
    await call(redis, [...configure('b', ''), 'random bits'.repeat(4)]);
    await redis.flushall();
    states.empty = await everyKey(redis);
    await redis.sadd(LISTS[0]!, 'room:1');
    await redis.rpush(LISTS[1]!, 'room:1', 'room:2');
    await redis.zadd(LISTS[2]!, 1, 'room:1');
    await call(redis, ['configure', '100', '60000', 'sticker:*=1', '1000']);
    for (const channel of CHANNELS.filter((name) => name !== 'room:3'))
      await call(redis, ['publish', channel, 'hello']);
    await redis.hset(`${KEY}:recorder`, {
      owner: 'a',
      expires: 9e15,
      id: 1,
      number: 0,
      count: 'life:0',
      patterns: '*:*',
    });
    for (const [gateway, held] of Object.entries({ a: '7 2 0 8 1 0', b: '7 3 0' }))
      await call(redis, ['streams', gateway, '1', 'begin', '20', held]);
    // A set of several members may be restored in another order.
    await redis.hdel(`${KEY}:streams`, 'a');
    await call(redis, ['add_token', '7', HASH, '60000']);
    await call(redis, ['poll_open', 'one', '0', '', '', '', '', '']);
    await call(redis, ['poll_claim', 'one', 'p', 'a', 'begin', '']);
    await redis.hset(`${KEY}:clock`, 'collections', '{"drivers":{"key":"name","ttl":60000}}');
    await call(redis, ['put', 'drivers', '[{"name":"a"},{"name":"b"}]']);
    await redis.zadd(`${KEY}:collection:drivers:expires`, 1, 'a');
    states.usual = await everyKey(redis);
    await redis.del(`${KEY}:channel:room:1:msg_id`);
    await redis.set(`${KEY}:channel:room:2:msg_id`, 'broken');
    states.lost = await everyKey(redis);
    await restoreKeys(redis, states.usual);
    await redis.rpush(LISTS[1]!, 'room:4');
    await redis.zrem(LISTS[2]!, 'room:1');
    states.changed = await everyKey(redis);
    await restoreKeys(redis, states.usual);
    await redis.rpush(`${KEY}:gaps`, 'forked 5 9 ?');
    states.forked = await everyKey(redis);
    await restoreKeys(redis, states.usual);
    await redis.hset(`${KEY}:clock`, 'replid', 'of another master');
    states.promoted = await everyKey(redis);
  });
  after(() => server.stop());

  function call(client: Redis, [name, ...args]: string[]): Promise<unknown> {
    return client.call('FCALL', `sisyphus_${name}`, '1', KEY, ...args);
  }

  /** The errors of those calls that were refused. Whatever was, has changed nothing and said nothing. */
  async function tryAll(rules: string[], name: string): Promise<string[]> {
    await redis.call('ACL', 'SETUSER', 'app', 'reset', 'on', 'nopass', ...rules);
    const app = server.client({ username: 'app', password: 'any' });
    const errors: string[] = [];
    for (const { name: what, state, args } of CALLS) {
      await restoreKeys(redis, states[state]);
      const said = await publishCalls(redis);
      const error = await call(app, args).then(
        () => undefined,
        ({ message }: Error) => message,
      );
      if (error === undefined) continue;
      errors.push(error);
      expect(contents(await everyKey(redis)), `${what}, ${name}: ${error}`).to.deep.equal(contents(states[state]));
      expect(await publishCalls(redis), `${what}, ${name}: ${error}`).to.equal(said);
    }
    app.disconnect();
    return errors;
  }

  /** Every command that the functions run for these calls. */
  async function commands(): Promise<string[]> {
    await redis.config('RESETSTAT');
    await tryAll(['~*', '&*', '+@all'], 'nothing denied');
    const stats = await redis.info('commandstats');
    const own = ['fcall', 'info', 'keys', 'pttl', 'dump', 'restore', 'flushall', 'hello', 'auth'];
    const all = [...stats.matchAll(/cmdstat_([a-z|]+):/g)].map(([, name]) => name!);
    return [...all.filter((name) => !own.includes(name) && !/^(acl|client|config|function)/.test(name)), 'info'];
  }

  it('gets through where nothing is denied, and with the rules that an error names', async () => {
    expect(await tryAll(['~*', '&*', '+@all'], 'nothing denied')).to.deep.equal([]);
    const [error] = await tryAll(['~*', 'resetchannels', '+@all'], 'no topic');
    const [, rules] = /; expected (.*)$/.exec(error!)!;
    expect(rules).to.contain('~sisyphus:{0}* ~user:*:channels &sisyphus{0}/*');
    expect(await tryAll(rules!.split(' '), 'as the error says')).to.deep.equal([]);
  });

  it('is refused as if nothing had happened, whichever command is denied', async () => {
    const denied = await commands();
    expect(denied).to.include.members([
      'xadd',
      'hset',
      'publish',
      'incrby',
      'zadd',
      'sadd',
      'set',
      'time',
      'info',
      'rpush',
    ]);
    for (const command of denied) {
      const errors = await tryAll(['~*', '&*', '+@all', `-${command}`], `without ${command}`);
      // Without these a channel that is used once takes more room, or a fork is everybody's: that is all. Tokens need one of them.
      const others = errors.filter((error) => !/ RENAME \S+:tokens;/.test(error));
      if (['copy', 'rename', 'zcount'].includes(command)) expect(others, command).to.deep.equal([]);
      else expect(errors, command).not.to.deep.equal([]);
      for (const error of errors) expect(error).to.match(/^NOPERM .*; expected ~/);
    }
  });

  it('is refused as if nothing had happened, whichever key is denied', async () => {
    let refused = 0;
    for (const key of KEYS) {
      const rules = KEYS.filter((other) => other !== key).map((other) => `~${other}`);
      refused += (await tryAll([...rules, '&*', '+@all'], `without ${key}`)).length;
    }
    expect(refused).to.be.above(KEYS.length);
  });

  it('is refused as if nothing had happened, whichever topic is denied', async () => {
    let refused = 0;
    for (const topic of TOPICS) {
      const rules = TOPICS.filter((other) => other !== topic).map((other) => `&${other}`);
      refused += (await tryAll(['~*', 'resetchannels', ...rules, '+@all'], `without ${topic}`)).length;
    }
    expect(refused).to.be.above(10);
  });
});
