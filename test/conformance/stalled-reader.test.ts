import { expect } from 'chai';
import { residentMemory } from '../support/process-figures.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const LIVE = 100;
const BULK = 100;
const BULK_BYTES = 200_000;
const ALLOWANCE = 96_000_000;

describe(`a reader that stops reading next to ${LIVE} that go on`, function () {
  this.timeout(120_000);
  let world: World;
  let live: RawStream[];
  let stalled: RawStream;
  let position: string;
  /** When each message was published, by its text. */
  const publishedAt = new Map<string, number>();
  let peak = 0;
  let memoryBefore = 0;

  before(async () => {
    world = await startWorld({ SISYPHUS_BACKLOG_LENGTH: '1000', SISYPHUS_MAX_STREAMS_PER_USER: '200' });
    await world.allow('live', 'room:1');
    await world.allow('stalled', 'bulk:1', 'room:1');
    live = await Promise.all(Array.from({ length: LIVE }, () => world.openOk({ path: '/?user=live' })));
    stalled = await world.openOk({ path: '/?user=stalled' });
    position = stalled.lastEventId!;
    memoryBefore = await residentMemory(world.gateway.pid);
  });

  after(() => world?.stop());

  function bulk(number: number): string {
    return `bulk ${number} ${'x'.repeat(BULK_BYTES)}`;
  }

  it('is closed as slow, with memory bounded, while the others notice nothing', async () => {
    stalled.pause();
    for (let i = 0; i < BULK; i++) {
      await world.publish.fcall('bulk:1', bulk(i));
      publishedAt.set(`small ${i}`, performance.now());
      await world.publish.fcall('room:1', `small ${i}`);
      peak = Math.max(peak, await residentMemory(world.gateway.pid));
      // As an application would: steadily, not all at once.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await world.gateway.waitForLog((line) => Object.values(line).includes('slow'), 10_000);
    await eventually(async () => (await world.gateway.status()).streams === LIVE, 10_000);
    expect(peak - memoryBefore).to.be.lessThan(ALLOWANCE);

    await Promise.all(live.map((stream) => stream.until(({ messages }) => messages.length >= BULK, 10_000)));
    const expected = Array.from({ length: BULK }, (_, i) => `small ${i}`);
    const delays: number[] = [];
    for (const stream of live) {
      expect(stream.messages.map(({ data }) => data)).to.deep.equal(expected);
      expect(stream.closed).to.equal(false);
      for (const { data, at } of stream.messages) delays.push(at - publishedAt.get(data!)!);
    }
    delays.sort((a, b) => a - b);
    expect(delays[Math.floor(delays.length * 0.99)], '99th percentile of the delay').to.be.lessThan(250);
  });

  it('has everything after it has come back', async () => {
    stalled.resume();
    await stalled.ended(20_000);
    const had = stalled.messages;
    expect(had.length).to.be.lessThan(BULK * 2);
    const again = await world.openOk({
      path: '/?user=stalled',
      headers: { 'Last-Event-ID': stalled.lastEventId ?? position },
    });
    await again.until(({ messages }) => had.length + messages.length >= BULK * 2, 30_000);
    const all = [...had, ...again.messages].map(({ event, data }) => (event === 'reset' ? data : data!.slice(0, 40)));
    const expected = Array.from({ length: BULK }, (_, i) => [bulk(i).slice(0, 40), `small ${i}`]).flat();
    expect(all).to.deep.equal(expected);
  });
});
