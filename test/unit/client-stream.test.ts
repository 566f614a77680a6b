import { expect } from 'chai';
import { Sisyphus, type SisyphusOptions, type Status } from '../../src/client/client.ts';
import { FakePage } from '../support/client/fake-page.ts';

/** The longest pause of the first five minutes, and of those after them (ms). */
const SOON = 4_000;
const LATER = 15_000;
/** How long an opening may take (ms). */
const PATIENCE = 12_000;

describe('the client for browsers', () => {
  let page: FakePage;
  let random: number;
  let said: Status[];
  let stream: Sisyphus | undefined;

  beforeEach(() => {
    page = new FakePage();
    random = 0;
    said = [];
    page.install(() => random);
  });

  afterEach(() => {
    stream?.close();
    stream = undefined;
    page.restore();
  });

  async function begin(options: SisyphusOptions = {}, address: string | URL = '/stream'): Promise<Sisyphus> {
    const begun = new Sisyphus(address, { EventSource: page.EventSource, ...options });
    stream = begun;
    begun.on('status', (status) => said.push(status));
    await page.pass();
    return begun;
  }

  const words = (): string[] => said.map(({ state, reason }) => (reason === undefined ? state : `${state} ${reason}`));

  describe('opens', () => {
    it('an address that is relative to the page, with its own query, the user, the channels, the position and the credential', async () => {
      await begin(
        { user: 'a+b', channels: ['news:1', 'room:5'], since: '12', credential: () => 't k' },
        '../s?c=x:1&u=2',
      );
      expect(page.source.url.href).to.equal(
        'https://app.example.com/s?c=x%3A1&u=2&format=frames&user=a%2Bb&access_token=t+k&since=12&c=news%3A1&c=room%3A5',
      );
    });

    it('no credential and no user that are null or empty, and a user that is 0', async () => {
      const none = [null, '', undefined] as unknown[] as string[];
      for (const text of none) {
        await begin({ user: text, credential: () => text });
        expect(page.source.url.search).to.equal('?format=frames');
      }
      await begin({ user: 0 });
      expect(page.source.url.search).to.equal('?format=frames&user=0');
    });

    it('an address of another origin, with cookies if it is told so', async () => {
      await begin({ withCredentials: true }, new URL('https://push.example.com/'));
      expect(page.source.url.href).to.equal('https://push.example.com/?format=frames');
      expect(page.source.withCredentials).to.equal(true);
    });

    it('nothing that is no address, and nothing without an EventSource, and says so at once', () => {
      page.document.baseURI = undefined as unknown as string;
      expect(() => new Sisyphus('/stream', { EventSource: page.EventSource })).to.throw(TypeError, /URL/);
      const { EventSource } = globalThis;
      Object.assign(globalThis, { EventSource: undefined });
      expect(() => new Sisyphus('https://app.example.com/')).to.throw(TypeError, 'EventSource');
      Object.assign(globalThis, { EventSource });
      expect(page.timers).to.equal(0);
    });

    it('one source, whatever else the page says while it begins', async () => {
      let asked = 0;
      await begin({ credential: () => new Promise((resolve) => setTimeout(resolve, 500, `${++asked}`)) });
      page.dispatch('pageshow');
      page.dispatch('visibilitychange');
      await page.pass(1000);
      expect([asked, page.sources.length]).to.deep.equal([1, 1]);
    });
  });

  describe('gives', () => {
    it('each frame to the listeners of its channel, its name and its kind', async () => {
      const got: string[] = [];
      const { on, channel, event } = await begin().then((begun) => ({
        on: begun.on.bind(begun),
        channel: begun.channel.bind(begun),
        event: begun.event.bind(begun),
      }));
      on('message', ({ id }) => got.push(`message ${id}`));
      on('reset', ({ channel: name, reason }) => got.push(`reset ${name} ${reason}`));
      on('denied', ({ channel: name }) => got.push(`denied ${name}`));
      on('frame', ({ type }) => got.push(`frame ${type}`));
      channel<string>('room:1', ({ data }) => got.push(`room:1 ${data}`));
      event('comment', ({ id }) => got.push(`comment ${id}`));
      page.source.ok('1');
      page.source.message('room:1', '2', 'hello', 'comment');
      page.source.say({ reset: { channel: 'room:1', reason: 'trimmed' } }, '2');
      page.source.say({ denied: { channel: 'room:9' } }, '2');
      page.source.say({ noop: true }, '3');
      expect(got).to.deep.equal(
        'frame status|frame message|message 2|room:1 hello|comment 2|frame reset|reset room:1 trimmed|frame denied|denied room:9|frame noop'.split(
          '|',
        ),
      );
      expect(stream?.position).to.equal('3');
      expect(stream?.status).to.deep.equal({ state: 'ok' });
    });

    it('to each of two listeners that are one function, and takes away only the one that is meant', async () => {
      const begun = await begin();
      let times = 0;
      const listener = (): void => void times++;
      const away = begun.on('message', listener);
      begun.on('message', listener);
      page.source.message('room:1', '1');
      away();
      away();
      page.source.message('room:1', '2');
      expect(times).to.equal(3);
    });

    it('to the others what one throws at, and tells the error', async () => {
      const begun = await begin();
      const got: unknown[] = [];
      begun.on('message', () => {
        throw new Error('of a listener');
      });
      begun.on('message', ({ id }) => got.push(id));
      begun.on('error', (error) => got.push((error as Error).message));
      page.source.message('room:1', '1');
      expect(got).to.deep.equal(['of a listener', '1']);
    });

    it('an error of a listener for errors, or that nobody listens for, to the console, and goes on', async () => {
      const told: unknown[] = [];
      const { error } = console;
      console.error = (what: unknown) => told.push((what as Error).message);
      try {
        const begun = await begin();
        const away = begun.on('error', () => {
          throw new Error('second');
        });
        begun.on('message', () => {
          throw new Error('first');
        });
        page.source.message('room:1', '1');
        away();
        page.source.message('room:1', '2');
        expect(told).to.deep.equal(['second', 'first']);
      } finally {
        console.error = error;
      }
    });

    it('nothing more once a listener has closed the stream, whichever it is and whatever comes', async () => {
      const [ok, error, goodbye] = [{ status: 'ok' }, { status: 'error', retry: 9 }, { noop: true, retry: 9 }];
      const message = { channel: 'room:1', revision: 1, id: '1', data: 1 };
      for (const [name, ...frames] of [
        ['frame', ok, error, goodbye, message],
        ['status', ok, error],
        ['message', message],
      ] as const) {
        for (const frame of frames) {
          const begun = await begin();
          const got: string[] = [];
          begun.on(name, () => begun.close());
          for (const other of ['frame', 'message', 'status'] as const) begun.on(other, () => got.push(other));
          const { source } = page;
          source.say(frame, '1');
          expect(begun.status, `${name} ${JSON.stringify(frame)}`).to.deep.equal({ state: 'closed' });
          got.length = 0;
          source.message('room:1', '2');
          source.end();
          await page.pass(60_000);
          expect(got).to.deep.equal([]);
          expect(begun.status).to.deep.equal({ state: 'closed' });
          expect([page.open.length, page.timers]).to.deep.equal([0, 0]);
        }
      }
    });
  });

  describe('opens again', () => {
    it('at the position that was reached, when the line is lost', async () => {
      await begin({ since: '5' });
      page.source.ok('5');
      page.source.message('room:1', '7');
      page.source.end();
      expect(said.at(-1)).to.deep.equal({ state: 'error', reason: 'lost' });
      await page.pass(2_000);
      expect(page.sources.length).to.equal(2);
      expect(page.sources[0]?.isClosed).to.equal(true);
      expect(page.source.url.searchParams.get('lastEventId')).to.equal('7');
      page.source.ok('7');
      expect(words()).to.deep.equal(['ok', 'error lost', 'ok']);
    });

    it('when react-native-sse says that the stream has ended', async () => {
      await begin();
      page.source.ok('1');
      page.source.end('done');
      await page.pass(2_000);
      expect([page.sources.length, page.sources[0]?.isClosed]).to.deep.equal([2, true]);
    });

    it('where it began, as long as no position is known; 0 is none', async () => {
      await begin({ since: '5' });
      page.source.say({ status: 'error', reason: 'redis', retry: 10 }, '0');
      await page.pass(10);
      expect(page.source.url.search).to.include('since=5').and.not.include('lastEventId');
    });

    it('within four seconds for five minutes, within fifteen later, and two pages at two times', async () => {
      const pauses = async (value: number): Promise<number[]> => {
        const found: number[] = [];
        random = value;
        await begin();
        for (let i = 0; i < 130; i++) {
          const [count, { now }] = [page.sources.length, page];
          page.source.end();
          while (page.sources.length === count) await page.pass(50);
          found.push(page.now - now);
        }
        stream?.close();
        return found;
      };
      const [least, most] = [await pauses(0.999), await pauses(0)];
      expect(Math.max(...most.slice(0, 80))).to.be.at.most(SOON + 50);
      expect(most.slice(0, 80).reduce((sum, pause) => sum + pause)).to.be.at.least(300_000);
      expect(Math.max(...most)).to.be.within(LATER - 50, LATER + 50);
      expect(Math.min(...least)).to.be.at.least(450);
      expect(most[0]! - least[0]!).to.be.above(1_000);
    });

    it('when the gateway says: not before, though the page is shown again, unless the browser is online again', async () => {
      await begin();
      page.source.say({ status: 'error', reason: 'capacity', limit: 'SISYPHUS_MAX_STREAMS', retry: 60_000 }, '1');
      page.source.end();
      expect(said.at(-1)).to.deep.equal({ state: 'error', reason: 'capacity', limit: 'SISYPHUS_MAX_STREAMS' });
      expect(page.open.length).to.equal(0);
      page.dispatch('visibilitychange');
      page.dispatch('pageshow');
      stream?.wake();
      await page.pass(59_900);
      expect(page.sources.length).to.equal(1);
      await page.pass(200);
      expect(page.sources.length).to.equal(2);
      page.source.say({ status: 'error', reason: 'capacity', retry: 60_000 }, '1');
      page.dispatch('online');
      await page.pass();
      expect(page.sources.length).to.equal(3);
    });

    it('within a minute, and not at once, whatever a gateway or a proxy says', async () => {
      for (const retry of [0, -1, 3e9]) {
        await begin();
        page.source.say({ status: 'error', reason: 'redis', retry }, '1');
        const { length } = page.sources;
        await page.pass(400);
        expect(page.sources.length, `${retry}`).to.equal(length);
        await page.pass(60_000);
        expect(page.sources.length, `${retry}`).to.be.above(length);
        stream?.close();
      }
    });

    it('elsewhere, when the gateway sends it away, and says no error', async () => {
      await begin();
      page.source.ok('1');
      page.source.say({ noop: true, retry: 700 }, '2');
      expect(page.open.length).to.equal(0);
      await page.pass(700);
      page.source.ok('2');
      expect(words()).to.deep.equal(['ok', 'connecting', 'ok']);
      expect(page.source.url.searchParams.get('lastEventId')).to.equal('2');
    });

    it('not for what happens at elements of the page, whatever it is called', async () => {
      await begin();
      page.source.ok('1');
      for (const name of ['offline', 'pagehide', 'online']) page.dispatch(name, 'X-PRESENCE');
      expect(words()).to.deep.equal(['ok']);
      expect([page.sources.length, page.open.length]).to.deep.equal([1, 1]);
    });

    it('at once when the browser is online again, also while it is opening, and only once', async () => {
      await begin();
      page.source.ok('1');
      page.dispatch('offline');
      expect(words()).to.deep.equal(['ok', 'error offline']);
      const old = page.source;
      page.dispatch('online');
      page.dispatch('online');
      await page.pass();
      expect([page.sources.length, page.open.length]).to.deep.equal([2, 1]);
      old.message('room:1', '9');
      old.end();
      expect(stream?.position).to.equal('1');
      page.source.ok('1');
      expect(words()).to.deep.equal(['ok', 'error offline', 'connecting', 'ok']);
    });

    it('if it is woken with word that the network is back, else only if the line was lost or is silent', async () => {
      await begin();
      page.source.ok('1');
      stream?.wake();
      await page.pass();
      expect(page.sources.length).to.equal(1);
      stream?.wake(true);
      await page.pass();
      expect([page.sources.length, page.open.length]).to.deep.equal([2, 1]);
      page.source.ok('1');
      page.freeze(31_000);
      stream?.wake();
      await page.pass();
      expect(page.sources.length).to.equal(3);
    });

    it('at once when a page is shown whose line was lost, and not when it is hidden', async () => {
      await begin();
      page.source.end();
      page.document.hidden = true;
      page.dispatch('visibilitychange');
      await page.pass();
      expect(page.sources.length).to.equal(1);
      page.document.hidden = false;
      page.dispatch('visibilitychange');
      await page.pass();
      expect(page.sources.length).to.equal(2);
    });

    it('after the back/forward cache, for which it lets the line go', async () => {
      await begin();
      page.source.ok('1');
      page.dispatch('pagehide');
      expect(page.open.length).to.equal(0);
      page.freeze(3_600_000);
      await page.pass(60_000);
      expect(page.sources.length, 'before the page is shown').to.equal(1);
      page.dispatch('pageshow');
      await page.pass();
      expect(page.source.url.searchParams.get('lastEventId')).to.equal('1');
      page.source.ok('1');
      expect(words()).to.deep.equal(['ok', 'connecting', 'ok']);
    });

    it('at once after a time in which the page was frozen, and does not read its dead line', async () => {
      await begin();
      page.source.ok('1');
      page.freeze(120_000);
      const old = page.source;
      page.dispatch('resume');
      old.message('room:1', '2');
      await page.pass();
      expect(page.sources.length).to.equal(2);
      expect(page.source.url.searchParams.get('lastEventId')).to.equal('1');
    });
  });

  describe('notices silence', () => {
    it('after two intervals of the gateway, three seconds at least', async () => {
      for (const [interval, silence] of [
        [15_000, 30_000],
        [200, 3_000],
      ] as const) {
        await begin();
        page.source.ok('1', interval);
        await page.pass(silence);
        page.source.say({ noop: true }, '2');
        await page.pass(silence - 1_000);
        expect(stream?.status.state).to.equal('ok');
        await page.pass(2_000);
        expect(stream?.status).to.deep.equal({ state: 'error', reason: 'silent' });
        await page.pass(2_000);
        expect(page.open.length).to.equal(1);
        stream?.close();
      }
    });

    it('also if the clock is set back by a day, and opens once too often if it is set forward', async () => {
      await begin();
      page.source.ok('1');
      page.skew = -86_400_000;
      await page.pass(35_000);
      expect(page.sources.length).to.equal(2);
      page.source.ok('1');
      page.skew = 86_400_000;
      await page.pass(4_000);
      expect(page.sources.length).to.equal(3);
      page.source.ok('1');
      await page.pass(20_000);
      expect(page.sources.length).to.equal(3);
    });

    it('of a line that says only what is none of the gateway’s', async () => {
      await begin();
      for (let i = 0; i < 20; i++) {
        page.sources[0]?.say(['hello', '{"a":1}', 'null', '7'][i % 4]);
        await page.pass(1_000);
      }
      expect(words()[0]).to.equal('error silent');
    });
  });

  describe('asks for the credential', () => {
    it('at each opening', async () => {
      let count = 0;
      await begin({ credential: async () => `token-${++count}` });
      page.source.ok('1');
      page.source.end();
      await page.pass(2_000);
      expect(page.sources.map(({ url }) => url.searchParams.get('access_token'))).to.deep.equal(['token-1', 'token-2']);
    });

    it('and tries again if it throws or takes too long, with what it has thrown as an error', async () => {
      const errors: unknown[] = [];
      const answers = [
        () => {
          throw new Error('at once');
        },
        () => Promise.reject(new Error('later')),
        () => new Promise<string>(() => {}),
        () => 'good',
      ];
      const begun = new Sisyphus('/stream', { EventSource: page.EventSource, credential: () => answers.shift()!() });
      stream = begun;
      begun.on('error', (error) => errors.push((error as Error).message));
      begun.on('status', (status) => said.push(status));
      await page.pass();
      expect(begun.status).to.deep.equal({ state: 'error', reason: 'credential' });
      await page.pass(2 * SOON);
      await page.pass(PATIENCE + SOON + 1_000);
      expect(errors).to.deep.equal(['at once', 'later']);
      expect(page.source.url.searchParams.get('access_token')).to.equal('good');
    });

    it('and opens nothing with one that comes after the stream was closed, or opened anew', async () => {
      const resolvers: ((token: string) => void)[] = [];
      const begun = await begin({ credential: () => new Promise((resolve) => resolvers.push(resolve)) });
      page.dispatch('online');
      await page.pass();
      resolvers[0]?.('old');
      await page.pass();
      expect(page.sources.length).to.equal(0);
      begun.close();
      resolvers[1]?.('new');
      await page.pass();
      expect(page.sources.length).to.equal(0);
    });
  });

  describe('stops', () => {
    it('at a failure, says why, and comes back for nothing', async () => {
      await begin();
      page.source.say({ status: 'failure', reason: 'signature', retry: 40_000 }, '1');
      page.source.end();
      for (const event of ['online', 'visibilitychange', 'pageshow', 'resume']) page.dispatch(event);
      stream?.wake();
      stream?.wake(true);
      await page.pass(100_000);
      expect(words()).to.deep.equal(['failure signature']);
      expect([page.sources.length, page.open.length, page.timers]).to.deep.equal([1, 0, 0]);
      stream?.close();
      expect(stream?.status.state).to.equal('closed');
    });

    it('at a credential that has expired when it opens, but not on an open stream, where it asks for another', async () => {
      await begin();
      page.source.ok('1');
      page.dispatch('offline');
      page.source.say({ status: 'failure', reason: 'expired', retry: 1_500 }, '1');
      await page.pass(1_500);
      expect(page.sources.length).to.equal(2);
      page.source.say({ status: 'failure', reason: 'expired', retry: 40_000 }, '1');
      expect(stream?.status).to.deep.equal({ state: 'failure', reason: 'expired' });
    });

    it('for good when it is closed, as often as that is said', async () => {
      const begun = await begin();
      begun.close();
      begun.close();
      page.source.message('room:1', '1');
      page.dispatch('online');
      begun.wake();
      await page.pass(60_000);
      expect(words()).to.deep.equal(['closed']);
      expect([page.sources.length, page.open.length, page.timers]).to.deep.equal([1, 0, 0]);
    });
  });

  describe('hedges', () => {
    it('an opening that is not answered with another every three seconds, and keeps the one that answers', async () => {
      await begin();
      await page.pass(3_000);
      await page.pass(3_000);
      expect(page.sources.map(({ isClosed }) => isClosed)).to.deep.equal([false, true, false]);
      page.sources[0]?.ok('1');
      expect(page.sources.map(({ isClosed }) => isClosed)).to.deep.equal([false, true, true]);
      page.sources[2]?.ok('2');
      page.sources[2]?.end();
      page.sources[0]?.message('room:1', '3');
      await page.pass(10_000);
      expect([stream?.position, page.sources.length]).to.deep.equal(['3', 3]);
    });

    it('and is lost only when all of them are; after twelve seconds it begins anew, with a fresh credential', async () => {
      let count = 0;
      await begin({ credential: () => `${++count}` });
      await page.pass(4_500);
      page.sources[0]?.end();
      expect(stream?.status.state).to.equal('connecting');
      page.sources[1]?.end();
      expect(stream?.status).to.deep.equal({ state: 'error', reason: 'lost' });
      await page.pass(2_000);
      await page.pass(PATIENCE + 1_000);
      expect(stream?.status).to.deep.equal({ state: 'error', reason: 'silent' });
      await page.pass(SOON);
      expect(page.source.url.searchParams.get('access_token')).to.equal('3');
      expect(page.open.length).to.equal(1);
    });
  });
});
