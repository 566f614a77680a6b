import { expect } from 'chai';
import { type MessageFrame, Sisyphus, type SisyphusOptions } from '../../src/client/client.ts';
import { poll } from '../../src/client/poll.ts';
import { FakePage, type FakeSource } from '../support/client/fake-page.ts';

describe('a client that goes round a path that buffers', () => {
  let page: FakePage;
  let stream: Sisyphus;
  let got: string[];

  beforeEach(async () => {
    page = new FakePage();
    page.install(() => 0);
    got = [];
  });

  afterEach(() => {
    stream.close();
    page.restore();
  });

  async function begin(options: SisyphusOptions = {}): Promise<void> {
    const through = [poll({ patience: 2_000, retry: 60_000 })];
    stream = new Sisyphus('/stream', { EventSource: page.EventSource, through, ...options });
    stream.on('message', ({ id }: MessageFrame) => got.push(id));
    stream.on('status', ({ state, reason = '' }) => got.push(`${state} ${reason}`.trim()));
    await page.pass();
  }

  /** `stream`, `poll` or `probe`, and where it begins. */
  const kindOf = ({ url: { searchParams } }: FakeSource): string => {
    const from = searchParams.get('lastEventId') ?? searchParams.get('since');
    const kind = searchParams.has('poll') ? (from === null ? 'probe' : 'poll') : 'stream';
    return from === null ? kind : `${kind} ${from}`;
  };
  const open = (): string[] => page.open.map(kindOf);

  /** The answer to a poll. */
  async function answer(...frames: [unknown, string][]): Promise<void> {
    const { source } = page;
    source.say({ status: 'ok', noopInterval: 25_000, retry: 100 }, frames[0]?.[1] ?? '1');
    for (const [frame, id] of frames) source.say(frame, id);
    source.end();
    await page.pass(100);
  }

  const message = (id: string): [unknown, string] => [{ channel: 'room:1', revision: 1, id, data: id }, id];

  it('reads the stream where nothing buffers, and asks for no poll', async () => {
    await begin();
    page.source.ok('1');
    await page.pass(10_000);
    expect(open()).to.deep.equal(['stream']);
  });

  it('reads polls if the stream says nothing, one after the other, each where the last one has ended', async () => {
    await begin();
    await page.pass(2_000);
    expect(open()).to.deep.equal(['stream', 'probe']);
    await answer([{ noop: true }, '5']);
    expect(open()).to.deep.equal(['poll 5']);
    await page.pass(24_000);
    expect(open(), 'a poll is not asked twice').to.deep.equal(['poll 5']);
    await answer(message('6'), message('7'));
    expect(open()).to.deep.equal(['poll 7']);
    expect(got).to.deep.equal(['ok', '6', '7']);
    expect(stream.position).to.equal('7');
  });

  it('has no position where the gateway has none yet', async () => {
    await begin();
    await page.pass(2_000);
    await answer([{ noop: true }, '0']);
    expect(open()).to.deep.equal(['probe']);
  });

  it('is live with the probe, and does not go on at the position of it if it has one', async () => {
    await begin({ since: '3' });
    await page.pass(2_000);
    await answer(message('9'));
    expect(got).to.deep.equal(['ok']);
    expect(open()).to.deep.equal(['poll 3']);
    await answer(message('8'), message('9'));
    expect(got).to.deep.equal(['ok', '8', '9']);
  });

  it('stays with the stream if that speaks before the probe does', async () => {
    await begin();
    await page.pass(2_500);
    const [first, probe] = page.sources;
    first?.ok('1');
    probe?.ok('2');
    expect(open()).to.deep.equal(['stream']);
    expect(stream.position).to.equal('1');
    first?.end();
    await page.pass(2_000);
    expect(open()).to.deep.equal(['stream 1']);
  });

  it('takes a dead path for no path that buffers', async () => {
    await begin();
    await page.pass(2_000);
    for (const source of page.open) source.end();
    await page.pass(2_000);
    expect(open()).to.deep.equal(['stream']);
    expect(got).to.deep.equal(['error lost']);
    await page.pass(1_900);
    page.source.end();
    await page.pass(100);
    expect(open(), 'no probe behind the end').to.deep.equal([]);
  });

  it('tries its way back after a while, at its position, and goes on with polls if that still buffers', async () => {
    await begin();
    await page.pass(2_000);
    await answer([{ noop: true }, '5']);
    for (let i = 6; i < 12; i++) {
      await page.pass(10_000);
      await answer(message(`${i}`));
    }
    expect(open()).to.deep.equal(['stream 11']);
    await page.pass(2_000);
    expect(open()).to.deep.equal(['stream 11', 'probe']);
    await answer([{ noop: true }, '13']);
    expect(open()).to.deep.equal(['poll 11']);
    for (let i = 0; i < 3; i++) {
      await page.pass(19_900);
      await answer(i < 2 ? [{ noop: true }, '11'] : message('12'));
    }
    expect(open()).to.deep.equal(['stream 12']);
    page.source.ok('12');
    page.source.message('room:1', '14');
    await page.pass(5_000);
    expect(open()).to.deep.equal(['stream 12']);
    expect(got).to.deep.equal(['ok', ...['6', '7', '8', '9', '10', '11', '12', '14']]);
  });

  it('begins with polls when it opens again, and knows at once that it is live', async () => {
    await begin();
    await page.pass(2_000);
    await answer([{ noop: true }, '5']);
    page.source.end();
    await page.pass(2_000);
    expect(open()).to.deep.equal(['probe']);
    await answer();
    expect(open()).to.deep.equal(['poll 5']);
    expect(got).to.deep.equal(['ok', 'error lost', 'ok']);
  });

  it('opens anew if its credential has ended, with a fresh one, and stops if that is refused', async () => {
    let count = 0;
    await begin({ credential: () => `${++count}` });
    await page.pass(2_000);
    await answer([{ noop: true }, '5']);
    page.source.say({ status: 'failure', reason: 'expired', retry: 40_000 }, '5');
    await page.pass(2_000);
    expect(page.source.url.searchParams.get('access_token')).to.equal('2');
    page.source.say({ status: 'failure', reason: 'revoked' }, '5');
    expect(got).to.deep.equal(['ok', 'error lost', 'failure revoked']);
    await page.pass(100_000);
    expect([page.open.length, page.timers]).to.deep.equal([0, 0]);
  });

  it('ends all that it has asked when it is closed', async () => {
    await begin();
    await page.pass(2_000);
    stream.close();
    await page.pass(100_000);
    expect([page.sources.length, page.open.length, page.timers]).to.deep.equal([2, 0, 0]);
  });
});
