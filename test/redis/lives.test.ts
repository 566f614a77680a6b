import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { loadFunctions } from '../../src/store/redis/functions.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { Pair } from '../fault/support/replication.ts';
import { RawRecorder } from '../support/raw-recorder.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const CLOCK = 'sisyphus:{0}:clock';

/** What the store makes of a server that is another one than before, or the same one started again. */
describe('a server that takes over the store', function () {
  this.timeout(30_000);
  const servers: { stop(): Promise<void> }[] = [];
  const clients: Redis[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  function clientOf(server: RedisServer): Redis {
    const client = server.client();
    clients.push(client);
    return client;
  }

  async function gapsOf(server: RedisServer, reason: string): Promise<string[]> {
    const [, , list] = (await clientOf(server).fcall('sisyphus_mark', 0, 0)) as [string, string, string[]];
    return list.filter((gap) => gap.startsWith(reason));
  }

  /** The only recorder leads, has recorded what was published, and is stopped as in a deploy. */
  async function comeAndGo(server: RedisServer): Promise<void> {
    const client = clientOf(server);
    await loadFunctions(client, new Keys(undefined, 0));
    const recorder = await RawRecorder.begin(() => clientOf(server), 'a');
    expect(await recorder.lease('keep')).to.equal('leader');
    await client.publish('room:1', 'recorded');
    await recorder.record(await recorder.hears(1));
    expect(await recorder.lease('release')).to.equal('spare');
  }

  /** Whether the next recorder writes a gap. */
  async function leavesGap(server: RedisServer): Promise<boolean> {
    const before = (await gapsOf(server, 'unrecorded')).length;
    const recorder = await RawRecorder.begin(() => clientOf(server), 'b');
    expect(await recorder.lease('keep')).to.equal('leader');
    return (await gapsOf(server, 'unrecorded')).length > before;
  }

  for (const [text, published] of [
    ['announces what was published before anybody asked it, however soon that was', true],
    ['announces nothing where nothing was published', false],
  ] as const) {
    it(`has started again, from an AOF: ${text}`, async () => {
      const server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
      servers.push(server);
      await comeAndGo(server);
      // As where it starts within the same second: no clock tells that it is younger than the last id.
      const ahead = Number(await clientOf(server).hget(CLOCK, 'last')) + 5e6;
      await clientOf(server).hset(CLOCK, 'last', ahead);
      server.kill('SIGKILL');
      await server.restart();
      if (published) await clientOf(server).publish('room:1', 'to nobody');
      expect(await leavesGap(server)).to.equal(published);
      expect(await gapsOf(server, 'forked')).to.have.length(1);
    });

    it(`was a replica: ${text}`, async () => {
      const pair = await Pair.start();
      servers.push(pair.master, pair.replica);
      await comeAndGo(pair.master);
      await pair.level();
      await pair.promote();
      if (published) await clientOf(pair.master).publish('room:1', 'to nobody');
      expect(await leavesGap(pair.master)).to.equal(published);
    });

    it(`was a replica, and was first asked to count streams: ${text}`, async () => {
      const pair = await Pair.start();
      servers.push(pair.master, pair.replica);
      await comeAndGo(pair.master);
      await pair.level();
      await pair.promote();
      if (published) await clientOf(pair.master).publish('room:1', 'to nobody');
      await clientOf(pair.master).fcall('sisyphus_streams', 0, 'a', '1', 'begin', '20', 'u 3 1');
      expect(await leavesGap(pair.master)).to.equal(published);
    });

    it(`has started again, from an RDB that goes on with its history: ${text}`, async () => {
      const pair = await Pair.start();
      servers.push(pair.master, pair.replica);
      await comeAndGo(pair.master);
      // A replica that is there would be waited for.
      pair.replica.kill('SIGKILL');
      await clientOf(pair.master)
        .shutdown('SAVE')
        .catch(() => undefined);
      await pair.master.restart();
      if (published) await clientOf(pair.master).publish('room:1', 'to nobody');
      expect(await leavesGap(pair.master)).to.equal(published);
    });
  }

  it('is the same, and has only taken a new replication id: nothing is forked, and counting goes on', async () => {
    const pair = await Pair.start(['--repl-backlog-ttl', '1']);
    servers.push(pair.master, pair.replica);
    const { master } = pair;
    await comeAndGo(master);
    const idOf = async () => /master_replid:\w+/.exec(await clientOf(master).info('replication'))![0];
    const before = await idOf();
    pair.replica.kill('SIGKILL');
    await eventually(async () => (await idOf()) !== before, 8000, 50);
    expect(await leavesGap(master)).to.equal(false);
    expect(await gapsOf(master, 'forked')).to.deep.equal([]);
    expect(await clientOf(master).hget(CLOCK, 'replid')).to.equal((await idOf()).split(':')[1]);
  });
});
