import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { METRICS } from '../../src/metrics/table.ts';
import { readMetrics } from '../support/metrics.ts';
import { postPublish } from '../support/publisher.ts';
import { askRt } from '../support/rt.ts';
import { begin, pollOnce } from '../support/sock-it.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

describe('/metrics of a gateway', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld({ SISYPHUS_PROTOCOLS: 'rt,sock.it', SISYPHUS_PUBLIC_CHANNELS: 'news:*' });
    await world.allow('1', 'room:1');
  });
  after(() => world.stop());

  it('count streams by transport, messages, bytes, replays and ends, each once', async () => {
    const streams = [await world.openOk({ path: '/?user=1' }), await world.openOk({ path: '/?user=1' })];
    await postPublish(world.gateway.url, JSON.stringify({ channel: 'room:1', data: 'hello' }));
    for (const stream of streams) await stream.until(({ messages }) => messages.length === 1);
    const seen = streams[0]!.lastEventId!;
    await postPublish(world.gateway.url, JSON.stringify({ channel: 'room:1', data: 'world!' }));
    for (const stream of streams) await stream.until(({ messages }) => messages.length === 2);
    streams[0]!.close();
    const back = await world.openOk({ path: '/?user=1', headers: { 'Last-Event-ID': seen } });
    await back.until(({ messages }) => messages.length === 1);
    const found = await eventually(async () => {
      const metrics = await readMetrics(world.gateway.url);
      return metrics.get('sisyphus_streams_closed_total{reason="client"}') === 1 ? metrics : undefined;
    });
    const expected: [string, number][] = [
      ['sisyphus_ready', 1],
      ['sisyphus_redis_up', 1],
      ['sisyphus_recording', 1],
      ['sisyphus_recorder_role{role="leader"}', 1],
      ['sisyphus_streams_open{transport="stream"}', 2],
      ['sisyphus_streams_opened_total{transport="stream"}', 3],
      ['sisyphus_messages_received_total', 2],
      ['sisyphus_received_bytes_total', 11],
      ['sisyphus_messages_delivered_total', 5],
      ['sisyphus_delivered_bytes_total', 28],
      ['sisyphus_publish_to_socket_seconds_count{transport="stream"}', 2],
      ['sisyphus_replay_messages_bucket{source="memory",le="1"}', 1],
      ['sisyphus_users', 1],
    ];
    for (const [name, value] of expected) expect(found.get(name), name).to.equal(value);
    // All that happened here, and a sound clock, took less than that.
    expect(found.get('sisyphus_publish_to_socket_seconds_bucket{transport="stream",le="5"}')).to.equal(2);
    expect(found.get('sisyphus_publish_to_socket_seconds_sum{transport="stream"}')).to.be.within(0.00001, 5);
    expect(found.get('sisyphus_open_files')).to.be.within(10, found.get('sisyphus_open_files_limit')!);
    const status = await world.gateway.status();
    expect(status.counters).to.deep.include({ received: { messages: 2, bytes: 11 } });
    streams[1]!.close();
    back.close();
  });

  it('have every row of the table, and time the round trips to Redis', async () => {
    const metrics = await eventually(async () => {
      const found = await readMetrics(world.gateway.url);
      return found.get('sisyphus_redis_round_trip_seconds_count')! > 1 ? found : undefined;
    });
    const names = [...metrics.keys()].map((key) => key.replace(/\{.*/, ''));
    for (const { name, type } of METRICS) expect(names).to.include(type === 'histogram' ? `${name}_count` : name);
  });

  for (const [transport, path] of [
    ['poll', '/?user=1&poll'],
    ['rt', '/rt?user=1&c=room:1&m=2'],
  ]) {
    it(`show a poll while it waits: ${transport}`, async () => {
      const name = `sisyphus_streams_open{transport="${transport}"}`;
      const waits = async (): Promise<number | undefined> => (await readMetrics(world.gateway.url)).get(name);
      const leaving = new AbortController();
      const { id } = (await (await fetch(`${world.gateway.url}/position`)).json()) as { id: string };
      const waiting = fetch(`${world.gateway.url}${path}&since=${id}`, { signal: leaving.signal }).catch(
        () => undefined,
      );
      await eventually(async () => (await waits()) === 1);
      leaving.abort();
      await waiting;
      await eventually(async () => (await waits()) === 0);
    });
  }

  /** One poll of each transport that waits: settles with the text of its answer. */
  const polling: Record<string, (url: string) => Promise<() => Promise<string>>> = {
    poll: async (url) => {
      const { id } = (await (await fetch(`${url}/position`)).json()) as { id: string };
      return async () => (await fetch(`${url}/?user=1&poll`, { headers: { 'Last-Event-ID': id } })).text();
    },
    rt: async (url) => {
      const head = (await askRt(url, 'user=1&c=room:1&m=0'))['room:1']!.msg.at(-1)!.id;
      return async () => JSON.stringify(await askRt(url, `user=1&c=room:1&m=${head}`));
    },
    'sock.it': async (url) => {
      const session = await begin(url, '?user=1');
      await pollOnce(url, session);
      return async () => (await pollOnce(url, session)).join();
    },
  };

  for (const [transport, start] of Object.entries(polling)) {
    it(`time answers to polls, and count what opens: ${transport}`, async () => {
      await world.allow('1', 'room:1');
      await world.publish.fcall('room:1', 'before');
      const read = (name: string): Promise<number> =>
        readMetrics(world.gateway.url).then((found) => found.get(`${name}{transport="${transport}"}`)!);
      const poll = await start(world.gateway.url);
      const timed = await read('sisyphus_publish_to_socket_seconds_count');
      const opened = await read('sisyphus_streams_opened_total');
      const answer = poll();
      // A poll that is still reading what it has missed is not timed.
      await eventually(async () => (await read('sisyphus_streams_opened_total')) > opened);
      await wait(50);
      await world.publish.fcall('room:1', `now, by ${transport}`);
      expect(await answer).to.contain(`now, by ${transport}`);
      await eventually(async () => (await read('sisyphus_publish_to_socket_seconds_count')) === timed + 1);
      expect(await read('sisyphus_publish_to_socket_seconds_sum')).to.be.within(0.00001, 5);
    });
  }

  it('say that Redis is away, and that the gateway is not ready', async () => {
    world.redis.kill('SIGSTOP');
    try {
      await eventually(async () => {
        const metrics = await readMetrics(world.gateway.url);
        return metrics.get('sisyphus_redis_up') === 0 && metrics.get('sisyphus_ready') === 0;
      }, 10_000);
    } finally {
      world.redis.kill('SIGCONT');
    }
    await eventually(async () => (await readMetrics(world.gateway.url)).get('sisyphus_ready') === 1, 10_000);
  });
});
