import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { Disk } from '../support/disk.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { fcallPublisher } from '../support/publisher.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

describe('a Redis that has lost what it gave out last', function () {
  this.timeout(30_000);
  const ROOMS = ['room:open', 'room:away', 'room:quiet'];
  let redis: RedisServer;
  let disk: Disk;
  let client: Redis;
  let gateways: Gateway[];
  const streams: RawStream[] = [];

  beforeEach(async () => {
    redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    disk = await Disk.of(redis);
    client = redis.client();
    await client.sadd('user:1:channels', 'room:open');
    await client.sadd('user:2:channels', ...ROOMS);
    gateways = [];
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.stop();
    await disk.remove();
  });

  /** As many as are not closed. */
  async function start(count: number, env: Record<string, string> = {}): Promise<void> {
    for (let i = 0; i < count; i++) {
      const gateway = await startGateway({ REDIS_URL: redis.url, ...env });
      gateways.push(gateway);
      await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
    }
  }

  async function open(gateway: Gateway, user: string, position?: string): Promise<RawStream> {
    const headers: Record<string, string> = position === undefined ? {} : { 'Last-Event-ID': position };
    const stream = openStream({ port: gateway.port, path: `/?user=${user}`, headers });
    streams.push(stream);
    return stream.ok();
  }

  function forked(stream: RawStream): string[] {
    const resets = stream.frames.filter(({ event, data }) => event === 'reset' && data?.includes('<reason>forked<'));
    return resets.map(({ data }) => /<channel>(.*)<\/channel>/.exec(data!)![1]!).sort();
  }

  /** What a reader of user 2 that comes back with this position is told of forks, before what is published now. */
  async function toldAtReturn(gateway: Gateway, position: string): Promise<string[]> {
    const stream = await open(gateway, '2', position);
    const last = `last ${Math.random()}`;
    await fcallPublisher(client)('user:2', last);
    await stream.until(({ messages }) => messages.some(({ data }) => data === last));
    return forked(stream);
  }

  /** A reader that is gone, an open one at the first gateway, and then messages that will be lost: one is heard, one has no reader. */
  async function read(): Promise<{ away: string; reader: RawStream }> {
    const gone = await open(gateways[0]!, '2');
    const reader = await open(gateways[0]!, '1');
    await fcallPublisher(client)('user:2', 'kept');
    await gone.until(({ messages }) => messages.length === 1);
    gone.close();
    return { away: gone.lastEventId!, reader };
  }

  async function publish(reader: RawStream): Promise<void> {
    await fcallPublisher(client)('room:away', 'to nobody');
    await fcallPublisher(client)('room:open', 'heard');
    await reader.until(({ messages }) => messages.some(({ data }) => data === 'heard'));
  }

  it('tells the open streams, and who comes back to any gateway later, of each channel that has lost a message', async () => {
    await start(4);
    const { away, reader } = await read();
    await disk.keep();
    await publish(reader);
    const between = reader.lastEventId!;
    await disk.putBack();
    await reader.until(() => forked(reader).length > 0);
    for (const gateway of gateways) expect(await toldAtReturn(gateway, away)).to.deep.equal(['room:away', 'room:open']);
    expect(forked(reader)).to.deep.equal(['room:open']);
    for (const { logs } of gateways) expect(logs.map(({ event }) => event)).to.include('gap_in_store');
    // Who stands among what is lost has lost its place in every channel.
    expect(await toldAtReturn(gateways[0]!, between)).to.deep.equal([...ROOMS, 'user:2'].sort());
    const later = (await open(gateways[0]!, '2')).lastEventId!;
    expect(await toldAtReturn(gateways[3]!, later)).to.deep.equal([]);
    const [gap] = await client.lrange('sisyphus:{0}:gaps', 0, -1);
    expect(gap).to.match(/^forked \d+ \d+ = room:(away|open) room:(away|open)$/);
  });

  it('tells nobody where it has only been started again', async () => {
    await start(2);
    const { away, reader } = await read();
    await publish(reader);
    redis.kill('SIGKILL');
    await redis.restart();
    for (const gateway of gateways) expect(await toldAtReturn(gateway, away)).to.deep.equal([]);
    expect(forked(reader)).to.deep.equal([]);
    const [gap] = await client.lrange('sisyphus:{0}:gaps', 0, -1);
    expect(gap).to.match(/^forked \d+ \d+ =$/);
    for (const { logs } of gateways) {
      const events = logs.map(({ event }) => event);
      expect(events).to.include('store_forked').and.not.include('gap_in_store');
    }
  });

  it('tells everybody from before it where nobody is left who had heard everything', async () => {
    await start(4);
    const { away } = await read();
    await disk.keep();
    await fcallPublisher(client)('room:away', 'to nobody');
    const roles = await Promise.all(gateways.map(async (gateway) => (await gateway.status()).recorder));
    const isSpare = (i: number) => (roles[i] as { role: string }).role === 'spare';
    const spare = gateways.findIndex((_, i) => isSpare(i));
    for (const [i, gateway] of gateways.entries()) if (i !== spare) gateway.kill('SIGKILL');
    const reader = await open(gateways[spare]!, '1');
    await disk.putBack();
    await reader.until(() => forked(reader).length > 0);
    expect(forked(reader)).to.deep.equal(['room:open', 'user:1']);
    expect(await toldAtReturn(gateways[spare]!, away)).to.deep.equal([...ROOMS, 'user:2'].sort());
    // As if nothing had been: who comes later has no part in it.
    const later = (await open(gateways[spare]!, '2')).lastEventId!;
    await start(1);
    expect(await toldAtReturn(gateways.at(-1)!, later)).to.deep.equal([]);
  });

  it('tells everybody from before it where nobody is asked to hear everything, and something was lost', async () => {
    await start(1, { SISYPHUS_RAW_CHANNELS: '' });
    const { away, reader } = await read();
    await disk.keep();
    await publish(reader);
    await disk.putBack();
    await reader.until(() => forked(reader).length > 1);
    expect(await toldAtReturn(gateways[0]!, away)).to.deep.equal([...ROOMS, 'user:2'].sort());
    const position = (await open(gateways[0]!, '2')).lastEventId!;
    redis.kill('SIGKILL');
    await redis.restart();
    expect(await toldAtReturn(gateways[0]!, position), 'and nobody where nothing was').to.deep.equal([]);
  });
});
