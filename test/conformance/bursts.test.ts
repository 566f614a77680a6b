import { expect } from 'chai';
import { postPublish } from '../support/publisher.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { startWorld, type World } from '../support/world.ts';

const READERS = 30;

describe(`${READERS} readers that read as fast as they can`, function () {
  this.timeout(60_000);
  let world: World;
  let readers: RawStream[];

  async function start(env: Record<string, string>): Promise<void> {
    world = await startWorld({ SISYPHUS_MAX_STREAMS_PER_USER: '200', SISYPHUS_BACKLOG_LENGTH: '2000', ...env });
    await world.allow('1', 'room:1');
    readers = await Promise.all(Array.from({ length: READERS }, () => world.openOk()));
  }

  afterEach(() => world.stop());

  async function haveAll(count: number): Promise<void> {
    await Promise.all(readers.map((reader) => reader.until(({ messages }) => messages.length >= count, 20_000)));
    for (const { messages, closed } of readers) {
      expect(closed).to.equal(false);
      expect(messages.map(({ data }) => data!.slice(0, 6))).to.deep.equal(
        Array.from({ length: count }, (_, i) => text(i, 0).slice(0, 6)),
      );
    }
  }

  const text = (number: number, bytes: number): string => `${String(number).padStart(6)}${'x'.repeat(bytes)}`;

  it('have all of sixteen messages of 250 KB that are published at once', async () => {
    await start({});
    const pipeline = world.client.pipeline();
    for (let i = 0; i < 16; i++) pipeline.call('FCALL', 'sisyphus_publish', '0', 'room:1', text(i, 250_000));
    await pipeline.exec();
    await haveAll(16);
  });

  it('have all of the 1,000 messages of one request', async () => {
    await start({});
    const messages = Array.from({ length: 1000 }, (_, i) => ({ channel: 'room:1', data: text(i, 1500) }));
    const response = await postPublish(world.gateway.url, JSON.stringify(messages));
    expect((await response.json()) as object)
      .to.have.property('results')
      .with.length(1000);
    await haveAll(1000);
  });

  it('have all where a message fills the bound of what may be unsent', async () => {
    await start({ SISYPHUS_MAX_BUFFER: '1KB' });
    const pipeline = world.client.pipeline();
    for (let i = 0; i < 2000; i++) pipeline.call('FCALL', 'sisyphus_publish', '0', 'room:1', text(i, 1000));
    await pipeline.exec();
    await haveAll(2000);
  });
});
