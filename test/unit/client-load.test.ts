import { expect } from 'chai';
import { type LoadRequest, Sisyphus, type SisyphusOptions } from '../../src/client/client.ts';
import { FakePage } from '../support/client/fake-page.ts';

interface Load extends LoadRequest {
  resolve: (state: string) => void;
  reject: (error: Error) => void;
  at: number;
}

describe('the loads of the client', () => {
  let page: FakePage;
  let loads: Load[];
  let log: string[];
  let stream: Sisyphus;

  beforeEach(() => {
    page = new FakePage();
    page.install();
    loads = [];
    log = [];
  });

  afterEach(() => {
    stream.close();
    page.restore();
  });

  async function begin(options: SisyphusOptions = {}): Promise<void> {
    stream = new Sisyphus('/stream', { EventSource: page.EventSource, ...options });
    stream.on('message', ({ id }) => log.push(id));
    stream.on('error', (error) => log.push((error as Error).message));
    await page.pass();
  }

  const read = (request: LoadRequest): Promise<string> =>
    new Promise((resolve, reject) => loads.push({ ...request, resolve, reject, at: page.now }));

  function load(channels: string | string[], name = 'state', options = {}): () => void {
    return stream.load(channels, read, (state, loaded) => log.push(`${name} ${state} of ${loaded}`), options);
  }

  const reset = (...channels: string[]): void => {
    for (const channel of channels) page.source.say({ reset: { channel, reason: 'flushed' } }, '9');
  };

  it('begin when the stream is live, and hold the messages of their channels until the state is applied', async () => {
    await begin();
    load(['room:1', 'room:2']);
    await page.pass(1_000);
    expect(loads.length, 'before ok').to.equal(0);
    page.source.ok('1');
    page.source.message('room:2', '2');
    page.source.message('room:3', '3');
    await page.pass();
    page.source.message('room:1', '4');
    expect(loads.map(({ channels }) => channels)).to.deep.equal([['room:1', 'room:2']]);
    expect(log).to.deep.equal(['3']);
    loads[0]?.resolve('a');
    await page.pass();
    expect(log).to.deep.equal(['3', 'state a of room:1,room:2', '2', '4']);
    page.source.message('room:1', '5');
    expect(log.at(-1)).to.equal('5');
  });

  it('begin at once on a stream that is live', async () => {
    await begin();
    page.source.ok('1');
    load('room:1');
    await page.pass();
    expect(loads.length).to.equal(1);
  });

  it('hold the messages until an apply that takes time is done', async () => {
    await begin();
    page.source.ok('1');
    stream.load('room:1', read, () =>
      new Promise((resolve) => setTimeout(resolve, 500)).then(() => log.push('applied')),
    );
    await page.pass();
    loads[0]?.resolve('a');
    page.source.message('room:1', '2');
    await page.pass(499);
    expect(log).to.deep.equal([]);
    await page.pass(1);
    expect(log).to.deep.equal(['applied', '2']);
  });

  it('tell an apply that throws, and go on without loading the same again', async () => {
    await begin();
    page.source.ok('1');
    stream.load('room:1', read, () => {
      throw new Error('of the page');
    });
    await page.pass();
    loads[0]?.resolve('a');
    page.source.message('room:1', '2');
    await page.pass(60_000);
    expect(log).to.deep.equal(['of the page', '2']);
    expect(loads.length).to.equal(1);
  });

  it('are one for the channels that are reset in one moment, and throw away what was held', async () => {
    await begin({ spread: 0 });
    load(['room:1', 'room:2', 'room:3']);
    page.source.ok('1');
    await page.pass();
    loads[0]?.resolve('a');
    await page.pass();
    reset('room:1');
    page.source.message('room:1', '10');
    await page.pass(50);
    reset('room:3', 'room:1');
    page.source.message('room:2', '11');
    page.source.message('room:3', '12');
    await page.pass(4_200);
    expect(loads.slice(1).map(({ channels }) => channels)).to.deep.equal([['room:1', 'room:3']]);
    loads[1]?.resolve('b');
    await page.pass();
    expect(log).to.deep.equal(['state a of room:1,room:2,room:3', '11', 'state b of room:1,room:3', '12']);
  });

  it('are begun anew at a reset meanwhile, and what was read before it is never applied', async () => {
    await begin({ spread: 0 });
    load('room:1');
    page.source.ok('1');
    await page.pass();
    page.source.message('room:1', '2');
    reset('room:1');
    page.source.message('room:1', '10');
    expect(loads[0]?.signal.aborted).to.equal(true);
    loads[0]?.resolve('old');
    await page.pass(100);
    loads[1]?.resolve('new');
    await page.pass();
    expect(log).to.deep.equal(['state new of room:1', '10']);
  });

  it('are not begun by resets of other channels', async () => {
    await begin();
    load('room:1', 'state', { isLoaded: true });
    page.source.ok('1');
    reset('room:2');
    await page.pass(10_000);
    expect(loads.length).to.equal(0);
  });

  it('of a page that has its state are begun by resets only', async () => {
    await begin({ since: '5' });
    load('room:1', 'state', { isLoaded: true });
    page.source.ok('5');
    page.source.message('room:1', '6');
    await page.pass(10_000);
    expect(loads.length).to.equal(0);
    reset('room:1');
    page.source.message('room:1', '10');
    await page.pass(4_200);
    loads[0]?.resolve('a');
    await page.pass();
    expect(log).to.deep.equal(['6', 'state a of room:1', '10']);
  });

  it('are tried again after they have failed, later each time, up to half a minute', async () => {
    await begin();
    load('room:1');
    page.source.ok('1');
    page.source.message('room:1', '2');
    await page.pass();
    const pauses: number[] = [];
    for (let count = 1; count < 10; count++) {
      const { now } = page;
      loads.at(-1)?.reject(new Error('502'));
      while (loads.length === count) {
        await page.pass(100);
        page.source.say({ noop: true }, '2');
      }
      pauses.push(page.now - now);
    }
    expect(pauses[0]).to.be.within(500, 1_100);
    expect(pauses[2]).to.be.within(2_000, 4_100);
    expect(pauses[8]).to.be.within(15_000, 30_100);
    expect(log[0]).to.equal('502');
    loads[9]?.resolve('a');
    await page.pass();
    expect(log.slice(-2)).to.deep.equal(['state a of room:1', '2']);
  });

  it('are tried again soon when the line is back, and one at a time', async () => {
    await begin();
    load('room:1');
    page.source.ok('1', 60_000);
    await page.pass();
    for (let i = 0; i < 6; i++) {
      loads.at(-1)?.reject(new Error('offline'));
      await page.pass(i === 5 ? 0 : 32_000);
      page.source.say({ noop: true }, '2');
    }
    const before = loads.length;
    page.source.end();
    await page.pass(2_000);
    page.source.ok('2');
    await page.pass(4_000);
    expect(loads.length).to.equal(before + 1);
    page.source.end();
    await page.pass(2_000);
    page.source.ok('2');
    await page.pass(10_000);
    expect(loads.length, 'while one is under way').to.equal(before + 1);
  });

  it('that have failed are tried again by different pages at different times', async () => {
    await begin({ spread: 4_000 });
    load('room:1');
    page.source.ok('1');
    await page.pass();
    Math.random = () => 0.5;
    loads[0]?.reject(new Error('502'));
    await page.pass(749);
    expect(loads.length).to.equal(1);
    await page.pass(1);
    expect(loads.length, 'after three quarters of a second').to.equal(2);
    page.source.end();
    loads[1]?.reject(new Error('offline'));
    await page.pass(1_300);
    page.source.ok('1');
    await page.pass(1_900);
    expect(loads.length).to.equal(2);
    await page.pass(200);
    expect(loads.length, 'after half of the spread').to.equal(3);
  });

  it('have half a minute: what hangs is aborted and tried again', async () => {
    await begin();
    load('room:1');
    page.source.ok('1', 60_000);
    await page.pass(29_999);
    expect(loads[0]?.signal.aborted).to.equal(false);
    await page.pass(2_000);
    expect(loads[0]?.signal.aborted).to.equal(true);
    expect(log).to.deep.equal(['no state in time']);
    expect(loads.length).to.equal(2);
    loads[0]?.resolve('late');
    loads[1]?.resolve('in time');
    await page.pass();
    expect(log.at(-1)).to.equal('state in time of room:1');
  });

  it('of two parts of a page on one channel both come before its messages', async () => {
    await begin();
    page.source.ok('1');
    load('room:1', 'one');
    await page.pass();
    page.source.message('room:1', '2');
    load(['room:1', 'room:2'], 'two');
    await page.pass();
    page.source.message('room:2', '3');
    page.source.message('room:1', '4');
    loads[0]?.resolve('a');
    await page.pass();
    expect(log).to.deep.equal(['one a of room:1']);
    loads[1]?.resolve('b');
    await page.pass();
    expect(log).to.deep.equal(['one a of room:1', 'two b of room:1,room:2', '2', '3', '4']);
  });

  it('that are ended while they wait let the messages go', async () => {
    await begin();
    page.source.ok('1');
    const end = load('room:1');
    await page.pass();
    page.source.message('room:1', '2');
    end();
    end();
    expect(loads[0]?.signal.aborted).to.equal(true);
    loads[0]?.resolve('a');
    await page.pass();
    expect(log).to.deep.equal(['2']);
    reset('room:1');
    await page.pass(10_000);
    expect(loads.length).to.equal(1);
  });

  it('end with the stream, which then lets nothing go', async () => {
    await begin();
    page.source.ok('1');
    load('room:1');
    await page.pass();
    page.source.message('room:1', '2');
    page.source.say({ status: 'failure', reason: 'revoked' }, '2');
    expect(loads[0]?.signal.aborted).to.equal(true);
    loads[0]?.resolve('a');
    await page.pass(60_000);
    expect(log).to.deep.equal([]);
    expect(page.timers).to.equal(0);
  });

  it('begin anew if more than ten thousand messages wait', async () => {
    await begin({ spread: 0 });
    load('room:1');
    page.source.ok('1');
    await page.pass();
    for (let i = 2; i <= 10_005; i++) page.source.message('room:1', `${i}`);
    await page.pass(100);
    expect(loads.map(({ signal }) => signal.aborted)).to.deep.equal([true, false]);
    loads[1]?.resolve('a');
    await page.pass();
    expect(log).to.deep.equal(['state a of room:1', '10003', '10004', '10005']);
  });

  it('of 200 pages that are reset at once are spread over four seconds', async () => {
    const pages = Array.from({ length: 200 }, () => new Sisyphus('/stream', { EventSource: page.EventSource }));
    await begin();
    for (const each of pages) each.load(['room:1', 'room:2'], read, () => {});
    await page.pass();
    for (const source of page.sources) source.ok('1');
    await page.pass();
    expect(loads.length).to.equal(200);
    for (const { resolve } of loads.splice(0)) resolve('a');
    await page.pass();
    const { now } = page;
    for (const source of page.sources) {
      source.say({ reset: { channel: 'room:1', reason: 'flushed' } }, '9');
      source.say({ reset: { channel: 'room:2', reason: 'flushed' } }, '9');
    }
    await page.pass(5_000);
    for (const each of pages) each.close();
    expect(loads.length).to.equal(200);
    expect(loads.every(({ channels }) => channels.length === 2)).to.equal(true);
    const perSecond = [0, 1, 2, 3].map((second) =>
      loads.filter(({ at }) => Math.floor((at - now - 100) / 1_000) === second),
    );
    // Of 200 a quarter is 50, give or take six times the deviation.
    for (const some of perSecond) expect(some.length).to.be.within(13, 87);
  });
});
