import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const DEFAULT = 'sisyphus:{0}';
const SHOP = 'sisyphus:{shop:0}';
const VERSION = /local VERSION = \d+/;

describe('installations on one Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  /** Database 3 of the same server. */
  let third: Redis;
  const recorders: RawRecorder[] = [];
  let version: number;

  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());
  beforeEach(async () => {
    redis = server.client();
    third = server.client({ db: 3 });
    await redis.flushall();
    await redis.call('FUNCTION', 'FLUSH');
    await loadFunctions(redis, new Keys(undefined, 0));
    version = await versionNow();
  });
  afterEach(() => {
    for (const recorder of recorders.splice(0)) recorder.end();
    redis.disconnect();
    third.disconnect();
  });

  const versionNow = async (): Promise<number> => Number(await redis.fcall_ro('sisyphus_version', 1, DEFAULT));
  const publish = (client: Redis, key: string, text = 'text') =>
    client.fcall('sisyphus_publish', 1, key, 'room:1', text);

  async function libraries(): Promise<{ code: string }[]> {
    const list = (await redis.call('FUNCTION', 'LIST', 'WITHCODE')) as string[][];
    return list.map((fields) => ({ code: fields[fields.indexOf('library_code') + 1]! }));
  }

  async function loadOlder(): Promise<void> {
    const [{ code }] = await libraries();
    await redis.call('FUNCTION', 'LOAD', 'REPLACE', code.replace(VERSION, `local VERSION = ${version - 1}`));
    expect(await versionNow()).to.equal(version - 1);
  }

  async function loads(): Promise<number> {
    return Number(/cmdstat_function\|load:calls=(\d+)/.exec(await redis.info('commandstats'))![1]);
  }

  /** Everything that is published, on whatever channel, until it is asked for. */
  async function listen(): Promise<() => Promise<string[]>> {
    const ear = server.client();
    const heard: string[] = [];
    ear.on('pmessage', (_pattern: string, channel: string) => heard.push(channel));
    await ear.psubscribe('*');
    return async () => {
      await redis.publish('end', '');
      await eventually(() => heard.includes('end'));
      ear.disconnect();
      return heard.slice(0, -1);
    };
  }

  describe('are named by the key that is declared', () => {
    it('with or without a namespace, whatever a driver puts before it', async () => {
      await publish(redis, DEFAULT);
      expect(await redis.fcall('sisyphus_publish', 0, 'room:1', 'text')).to.have.nested.property('[1]', 2);
      expect(await publish(redis, `laravel_database_${DEFAULT}`)).to.have.nested.property('[1]', 3);
      expect(await publish(redis, SHOP)).to.have.nested.property('[1]', 1);
      expect(await publish(redis, `shop:${SHOP}`)).to.have.nested.property('[1]', 2);
      expect(await publish(redis, `sisyphus:{${'n'.repeat(64)}:0}`)).to.have.nested.property('[1]', 1);
      expect((await redis.keys('*:clock')).sort()).to.deep.equal(
        [`${DEFAULT}:clock`, `sisyphus:{${'n'.repeat(64)}:0}:clock`, `${SHOP}:clock`].sort(),
      );
    });

    it('or refused, with what would be right, before anything is done', async () => {
      const wrong = [
        'room:1',
        'sisyphus:{1}',
        'sisyphus:{:0}',
        'sisyphus:{a b:0}',
        'sisyphus:{a:b:0}',
        'sisyphus:{0}:x',
        '',
      ];
      for (const key of [...wrong, '{x}sisyphus:{0}', `sisyphus:{${'n'.repeat(65)}:0}`]) {
        const refusal = await publish(redis, key).catch((error: Error) => error.message);
        expect(refusal, key).to.match(/^BADREQUEST expected one key: sisyphus:\{0\}, or sisyphus:\{<namespace>:0\}/);
      }
      const two = await redis
        .fcall('sisyphus_publish', 2, DEFAULT, SHOP, 'room:1', 'text')
        .catch((error: Error) => error);
      expect(two)
        .to.have.property('message')
        .that.matches(/^BADREQUEST expected one key/);
      expect(await redis.keys('*')).to.deep.equal([]);
    });

    it('and can be left to those who may', async () => {
      const rules = [
        'on',
        'nopass',
        '+@all',
        'resetkeys',
        '~sisyphus:{shop:0}*',
        '~user:*',
        'resetchannels',
        '&sisyphus{shop/0}/*',
      ];
      await redis.call('ACL', 'SETUSER', 'shop', ...rules);
      const app = server.client({ username: 'shop', password: 'any' });
      expect(await publish(app, SHOP)).to.have.nested.property('[1]', 1);
      expect(await app.fcall('sisyphus_grant', 1, SHOP, '7', 'room:1')).to.have.nested.property('[1]', 1);
      for (const key of [DEFAULT, 'sisyphus:{shop2:0}']) {
        expect(await publish(app, key).catch(({ message }: Error) => message)).to.match(/^NOPERM/);
      }
      app.disconnect();
      expect((await redis.keys('*:clock')).length).to.equal(1);
    });

    it('and told how to call, where arguments are missing', async () => {
      const refusals = await Promise.all(
        [
          ['sisyphus_publish', 1, SHOP, 'room:1'],
          ['sisyphus_publish', 0, 'room:1'],
          ['sisyphus_grant', 1, SHOP, '7'],
          ['sisyphus_revoke', 1, DEFAULT, '7'],
        ].map(([name, ...args]) =>
          redis.fcall(String(name), ...(args as [number])).catch(({ message }: Error) => message),
        ),
      );
      expect(refusals).to.deep.equal([
        `BADREQUEST expected FCALL sisyphus_publish 1 ${SHOP} <channel> <data> [<event>]`,
        `BADREQUEST expected FCALL sisyphus_publish 1 ${DEFAULT} <channel> <data> [<event>]`,
        `BADREQUEST expected FCALL sisyphus_grant 1 ${SHOP} <user> <channel> [<data>]`,
        `BADREQUEST expected FCALL sisyphus_revoke 1 ${DEFAULT} <user> <channel> [<data>]`,
      ]);
    });
  });

  describe('have topics of their own', () => {
    it('also where a publisher begins their life, before any gateway has configured them', async () => {
      const heard = await listen();
      for (const client of [redis, third]) for (const key of [DEFAULT, SHOP]) await publish(client, key);
      expect(await heard()).to.deep.equal(
        ['sisyphus{0}', 'sisyphus{shop/0}', 'sisyphus{0}@3', 'sisyphus{shop/0}@3'].flatMap((installation) => [
          `${installation}/@gap`,
          `${installation}/room/1`,
        ]),
      );
    });

    it('which are those that the gateway listens to', () => {
      const topics = [new Keys(undefined, 0), new Keys('shop', 0), new Keys(undefined, 3), new Keys('a.b-c', 15)];
      expect(topics.map((keys) => [keys.declared, keys.topic('room:1')])).to.deep.equal([
        [DEFAULT, 'sisyphus{0}/room/1'],
        [SHOP, 'sisyphus{shop/0}/room/1'],
        [DEFAULT, 'sisyphus{0}@3/room/1'],
        ['sisyphus:{a.b-c:0}', 'sisyphus{a.b-c/0}@15/room/1'],
      ]);
    });

    it('that older gateways, which name no database, leave as they are', async () => {
      await third.fcall('sisyphus_configure', 0, 100, 1000, '', 1000);
      expect(await third.hget(`${DEFAULT}:clock`, 'database')).to.equal('3');
      // A life that an older library began: its gateways listen to the topics of database 0.
      await third.hdel(`${DEFAULT}:clock`, 'database');
      const heard = await listen();
      await third.fcall('sisyphus_configure', 0, 100, 1000, '', 1000);
      await third.fcall('sisyphus_publish', 0, 'room:1', 'text');
      expect(await heard()).to.deep.equal(['sisyphus{0}/room/1']);
    });
  });

  describe('whose count of plain PUBLISHes is one for the server', () => {
    const others = (): Promise<unknown> => Promise.all([publish(redis, SHOP), publish(third, DEFAULT)]);

    /** An owner that has recorded everything and dies; who comes after it, when `between` is done; and the gaps then. */
    async function gapsAfter(between: () => Promise<unknown>): Promise<string[]> {
      const owner = await RawRecorder.begin(() => server.client(), 'a');
      recorders.push(owner);
      expect(await owner.lease('keep')).to.equal('leader');
      await redis.publish('room:1', 'recorded');
      await owner.record(await owner.hears(1));
      await between();
      const next = await RawRecorder.begin(() => server.client(), 'b');
      recorders.push(next);
      await redis.hset(`${DEFAULT}:recorder`, 'expires', 1);
      // Who has not heard everything waits for one that has.
      if ((await next.lease('keep')) === 'uncovered') await redis.hincrby(`${DEFAULT}:recorder`, 'awaited', -1_000_000);
      expect(await next.lease('keep')).to.equal('leader');
      const [, , gaps] = (await redis.fcall('sisyphus_mark', 1, DEFAULT, 0)) as [string, string, string[]];
      return gaps.map((gap) => gap.split(' ')[0]!);
    }

    it('do not take what another publishes by function for plain', async () => {
      expect(await gapsAfter(others)).to.deep.equal([]);
    });

    it('do not take it for one that would hide a plain one', async () => {
      const between = async (): Promise<void> => {
        await others();
        await redis.publish('room:1', 'nobody hears this');
        await others();
      };
      expect(await gapsAfter(between)).to.deep.equal(['unrecorded']);
    });

    it('go on counting when another begins a life, with or without a word', async () => {
      await redis.call(
        'ACL',
        'SETUSER',
        'app',
        'on',
        'nopass',
        '~*',
        '+@all',
        'resetchannels',
        '&sisyphus{shop/0}@5/room/*',
      );
      const between = async (): Promise<void> => {
        await others();
        const fifth = server.client({ db: 5, username: 'app', password: 'any' });
        await publish(fifth, SHOP);
        fifth.disconnect();
      };
      expect(await gapsAfter(between)).to.deep.equal([]);
    });

    it('go on counting when functions are flushed', async () => {
      const between = async (): Promise<void> => {
        await redis.call('FUNCTION', 'FLUSH');
        await loadFunctions(third, new Keys(undefined, 3));
        await others();
      };
      expect(await gapsAfter(between)).to.deep.equal([]);
    });

    it('go on counting when a gateway brings a later library', async () => {
      await loadOlder();
      const between = async (): Promise<void> => {
        await others();
        await loadFunctions(redis, new Keys(undefined, 0));
        expect(await versionNow()).to.equal(version);
        await others();
      };
      expect(await gapsAfter(between)).to.deep.equal([]);
    });
  });

  describe('have lists where their gateways say', () => {
    const configure = (prefix: string) => redis.fcall('sisyphus_configure', 1, SHOP, 100, 1000, '', 1000, 0, prefix);
    const grant = (key: string) => redis.fcall('sisyphus_grant', 1, key, '7', 'room:1');

    it('each its own, and a gateway that says nothing takes nothing away', async () => {
      await configure('app:');
      await configure('');
      await redis.fcall('sisyphus_configure', 1, SHOP, 100, 1000, '', 1000);
      await grant(SHOP);
      expect(await redis.smembers('app:user:7:channels')).to.deep.equal(['room:1']);
      await grant(DEFAULT);
      expect(await redis.smembers('user:7:channels')).to.deep.equal(['room:1']);
      await configure('other:');
      await grant(SHOP);
      expect(await redis.smembers('other:user:7:channels')).to.deep.equal(['room:1']);
      await redis.hset(`${SHOP}:clock`, 'prefix', '');
      await configure('');
      await redis.del('user:7:channels');
      await grant(SHOP);
      expect(await redis.smembers('user:7:channels')).to.deep.equal(['room:1']);
    });
  });

  describe('share one library', () => {
    it('which is not loaded again over one of the same version, nor over a later one', async () => {
      const [{ code }] = await libraries();
      for (const later of [version, version + 1]) {
        await redis.call('FUNCTION', 'LOAD', 'REPLACE', code.replace(VERSION, `local VERSION = ${later}`));
        const before = await loads();
        await loadFunctions(third, new Keys('shop', 3));
        expect(await versionNow()).to.equal(later);
        expect(await loads()).to.equal(before);
      }
    });

    it('which is loaded also where the ACL denies transactions', async () => {
      await loadOlder();
      await redis.call('ACL', 'SETUSER', 'app', 'on', 'nopass', '~*', '&*', '+@all', '-multi');
      const app = server.client({ username: 'app', password: 'any' });
      await loadFunctions(app, new Keys(undefined, 0));
      expect(await versionNow()).to.equal(version);
      app.disconnect();
    });
  });
});
