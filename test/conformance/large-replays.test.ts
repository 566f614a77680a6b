import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { residentMemory } from '../support/process-figures.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

describe('a reader that has missed much', function () {
  this.timeout(90_000);
  let world: World;

  afterEach(() => world?.stop());

  /** Publishes so many messages of this size on so many channels; answers the id before the first. */
  async function missed(count: number, bytes: number, channels: number): Promise<string> {
    const { id } = await world.publish.fcall('before:1', 'x');
    for (let at = 0; at < count; at += 500) {
      const pipeline = world.client.pipeline();
      for (let i = at; i < Math.min(at + 500, count); i++) {
        pipeline.call('FCALL', 'sisyphus_publish', '0', `room:${i % channels}`, text(i, bytes));
      }
      await pipeline.exec();
    }
    return id!;
  }

  const text = (number: number, bytes = 0): string => `${number} `.padEnd(bytes, 'x');
  const rooms = (count: number): string[] => Array.from({ length: count }, (_, i) => `room:${i}`);
  const labels = (stream: RawStream): (string | undefined)[] =>
    stream.messages.map(({ event, data }) => (event === 'reset' ? 'reset' : data!.split(' ')[0]));

  for (const bound of ['1KB', '16KB', '128KB']) {
    it(`has all of it at the first try, where it is more than the bound of ${bound}`, async () => {
      world = await startWorld({ SISYPHUS_MAX_BUFFER: bound, SISYPHUS_BACKLOG_LENGTH: '3000' });
      await world.allow('1', ...rooms(3));
      const position = await missed(2000, 1000, 3);
      const stream = world.open({ headers: { 'Last-Event-ID': position } });
      await stream.until(({ messages }) => messages.length === 2000, 20_000);
      expect(labels(stream)).to.deep.equal(Array.from({ length: 2000 }, (_, i) => String(i)));
    });
  }

  it('has all of it, although it stops reading for a while', async () => {
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '1000' });
    await world.allow('1', ...rooms(3));
    const position = await missed(600, 50_000, 3);
    const stream = await world.openOk({ headers: { 'Last-Event-ID': position } });
    stream.pause();
    // A reader that is above its bound is given up sooner.
    await wait(3000);
    stream.resume();
    await stream.until(({ messages }) => messages.length === 600, 20_000);
    expect(labels(stream)).to.deep.equal(Array.from({ length: 600 }, (_, i) => String(i)));
  });

  it('in 9,000 channels is told once of each, and has what is still kept', async () => {
    const channels = 9000;
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '1' });
    const names = rooms(channels);
    for (let at = 0; at < channels; at += 1000) await world.allow('1', ...names.slice(at, at + 1000));
    const position = await missed(2 * channels, 20, channels);
    // On a busy machine so many channels are not subscribed within 2 s: the client is told, and comes back, as a browser does.
    const stream = await eventually(() => world.openOk({ headers: { 'Last-Event-ID': position } }), 15_000);
    await stream.until(({ messages }) => messages.length === 2 * channels, 30_000);
    const told = stream.messages
      .filter(({ event }) => event === 'reset')
      .map(({ data }) => /<channel>(.*)<\/channel>/.exec(data!)![1]);
    expect([...told].sort()).to.deep.equal([...names].sort());
    expect(labels(stream).slice(channels)).to.deep.equal(
      Array.from({ length: channels }, (_, i) => String(channels + i)),
    );
  });

  it('gets it beside others like it, in bounded memory, while who has missed nothing waits for nothing', async () => {
    const readers = 10;
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '3000', SISYPHUS_MAX_STREAMS_PER_USER: '50' });
    await world.allow('1', ...rooms(40));
    await world.allow('other', 'live:1');
    const position = await missed(1000, 30_000, 40);
    const other = await world.openOk({ path: '/?user=other' });
    const before = await residentMemory(world.gateway.pid);
    const streams = Array.from({ length: readers }, () => world.open({ headers: { 'Last-Event-ID': position } }));
    const all = Promise.all(streams.map((stream) => stream.until(({ messages }) => messages.length === 1000, 60_000)));
    let done = false;
    void all.then(() => (done = true));
    let peak = before;
    const delays: number[] = [];
    while (!done) {
      const [watch, sent] = [world.stopwatch(), performance.now()];
      const count = other.messages.length;
      await world.publish.fcall('live:1', 'live');
      await other.until(({ messages }) => messages.length > count);
      delays.push(other.messages.at(-1)!.at - sent - watch.waited);
      peak = Math.max(peak, await residentMemory(world.gateway.pid));
      await wait(10);
    }
    await all;
    for (const stream of streams)
      expect(labels(stream)).to.deep.equal(Array.from({ length: 1000 }, (_, i) => String(i)));
    delays.sort((a, b) => a - b);
    // This process reads 300 MB meanwhile, and is late itself.
    expect(delays[Math.floor(delays.length * 0.9)], 'delay of others').to.be.below(250);
    expect(peak - before).to.be.below(96_000_000);
  });
});
