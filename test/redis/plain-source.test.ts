import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import type { Count, PlainListener } from '../../src/recorder/plain-source.ts';
import { openConnection } from '../../src/store/redis/connection.ts';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';
import { RedisPlainSource } from '../../src/store/redis/redis-plain-source.ts';
import { Standing } from '../../src/store/redis/standing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

/** What a recorder would hear. */
class Listener implements PlainListener {
  heard: string[] = [];
  counts: Count[] = [];
  ups = 0;

  up(): void {
    this.ups++;
  }

  down(): void {}

  plain(channel: string): void {
    this.heard.push(channel);
  }

  recorded(): void {}

  anchored(_id: number, _name: string, count: Count): void {
    this.counts.push(count);
  }

  settle(): void {}

  settled(): void {}

  released(): void {}
}

describe('what is heard of plain channels', () => {
  let server: RedisServer;
  let client: Redis;
  let hearing: Redis;
  let commands: Redis;
  let source: RedisPlainSource;
  let listener: Listener;
  const keys = new Keys(undefined, 0);

  before(async () => {
    server = await startRedis();
    client = server.client();
    hearing = openConnection(server.url, 'recorder');
    commands = openConnection(server.url, 'commands');
    // Each name with a colon fits two of them, and the topics of other installations fit the third.
    const names = new PlainNames(['*:*', 'room:*', 'sisyphus*'], '');
    const logger = createLogger('silent');
    const standing = new Standing();
    const onName = () => undefined;
    source = new RedisPlainSource({ hearing, commands, url: server.url, keys, names, standing, onName, logger });
    listener = new Listener();
    source.start(listener);
    await eventually(() => listener.ups === 1);
    await loadFunctions(commands, keys);
    await source.listen();
  });
  after(async () => {
    await source.close();
    commands.disconnect();
    await server.stop();
  });

  /** How much was heard, and how much Redis has counted, of what `act` does. */
  async function differences(act: () => Promise<unknown>): Promise<{ heard: string[]; counted: number; life: string }> {
    const anchors = listener.counts.length;
    await source.anchor('before');
    await eventually(() => listener.counts.length === anchors + 1);
    listener.heard = [];
    await act();
    await source.anchor('after');
    await eventually(() => listener.counts.length === anchors + 2);
    const [from, to] = listener.counts.slice(-2) as [Count, Count];
    return {
      heard: listener.heard,
      counted: to.number - from.number,
      life: from.life === to.life ? 'same' : 'another',
    };
  }

  const script = "for i = 1, 3 do redis.call('PUBLISH', 'room:1', i) end";

  for (const [what, heard, act] of [
    ['a PUBLISH', 1, () => client.publish('room:1', 'text')],
    ['one whose name is no channel', 1, () => client.publish('комната:1', 'text')],
    ['two in a transaction', 2, () => client.multi().publish('room:1', 'a').publish('folder:1', 'b').exec()],
    ['three in a script', 3, () => client.eval(script, 0)],
    ['three in a function of somebody else', 3, () => client.fcall('others', 0)],
    ['what Sentinel says', 1, () => client.publish('__sentinel__:hello', 'text')],
    ['PUBLISHes that are refused', 0, () => refusedPublishes()],
    ['a sharded PUBLISH', 0, () => client.spublish('room:1', 'text')],
    ['notifications of the keyspace', 0, () => changeKeys()],
    ['what Redis tells a client that caches', 0, () => cacheAndChange()],
    [
      'what this installation publishes by its functions',
      0,
      () => client.fcall('sisyphus_publish', 0, 'room:1', 'text'),
    ],
    [
      'what another installation does',
      0,
      () => client.fcall('sisyphus_publish', 1, 'sisyphus:{shop:0}', 'room:1', 'text'),
    ],
  ] as [string, number, () => Promise<unknown>][]) {
    it(`is as much as Redis counts: ${what}`, async () => {
      await client.call('FUNCTION', 'LOAD', 'REPLACE', library());
      const seen = await differences(act);
      expect(seen.heard, seen.heard.join(' ')).to.have.length(heard);
      expect(seen).to.deep.include({ counted: heard, life: 'same' });
    });
  }

  it('is less than Redis counts where a name fits no pattern: that looks like a loss, and never hides one', async () => {
    expect(await differences(() => client.publish('nocolon', 'text'))).to.deep.include({ heard: [], counted: 1 });
  });

  it('is not compared across a reset of the statistics, whatever the numbers are then', async () => {
    const seen = await differences(async () => {
      await client.call('CONFIG', 'RESETSTAT');
      await client.publish('room:1', 'text');
    });
    expect(seen.life).to.equal('another');
    expect((await differences(() => client.call('CONFIG', 'RESETSTAT'))).life).to.equal('another');
  });

  function library(): string {
    return `#!lua name=others\nredis.register_function('others', function() ${script} end)`;
  }

  async function refusedPublishes(): Promise<void> {
    const errors = (
      await Promise.allSettled([
        client.call('PUBLISH'),
        client.eval("redis.pcall('PUBLISH', 'room:1')", 0),
        client.multi().call('PUBLISH').publish('room:1', 'text').exec(),
      ])
    ).filter(({ status }) => status === 'rejected');
    expect(errors).to.have.length(2);
    await client.call('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels');
    const mute = server.client({ username: 'mute', password: 'any' });
    expect(await mute.publish('room:1', 'text').catch((error: Error) => error.message)).to.match(/NOPERM/);
    mute.disconnect();
  }

  async function changeKeys(): Promise<void> {
    await client.config('SET', 'notify-keyspace-events', 'KEA');
    await client.set('session:1', 'text', 'PX', 1);
    await client.lpush('list:1', 'text');
    await eventually(async () => (await client.exists('session:1')) === 0);
    await client.config('SET', 'notify-keyspace-events', '');
  }

  async function cacheAndChange(): Promise<void> {
    const told = server.client();
    await told.subscribe('__redis__:invalidate');
    const caching = server.client();
    await caching.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(await idOf(told)), 'BCAST');
    await client.set('cached:1', 'text');
    told.disconnect();
    caching.disconnect();
  }

  async function idOf(subscriber: Redis): Promise<number> {
    const name = `told-${Math.random()}`;
    await subscriber.call('CLIENT', 'SETNAME', name);
    const [, id] = new RegExp(`id=(\\d+) [^\n]*name=${name}`).exec(String(await client.client('LIST'))) ?? [];
    return Number(id);
  }
});
