import { expect } from 'chai';
import { Rt, type RtEvent, type RtListener, type RtOptions } from '../../src/client/rt.ts';
import { FakeNetwork } from '../support/client/fake-fetch.ts';

/** An answer: by channel a status and the revisions, whose payloads are texts such as `a1`. */
function news(channel: string, ...revisions: number[]): object {
  return { [channel]: { status: 'ok', msg: revisions.map((id) => ({ id, payload: `${channel}${id}` })) } };
}

describe('the client of the long poll', () => {
  let network: FakeNetwork;
  let rt: Rt;
  let told: string[];

  const note =
    (name = ''): RtListener =>
    (event) => {
      told.push(name + shown(event));
    };
  const shown = (event: RtEvent): string =>
    event.type === 'message' ? String(event.data) : `${event.type} ${event.channel}`;
  const pass = (milliseconds?: number): Promise<void> => network.pass(milliseconds);

  function begin(options: RtOptions = {}): Rt {
    rt = new Rt('http://gateway/rt', { fetch: network.fetch, ...options });
    return rt;
  }

  async function answer(...parts: object[]): Promise<void> {
    network.waiting.answer(Object.assign({}, ...parts));
    await pass();
  }

  beforeEach(() => {
    network = new FakeNetwork();
    network.install();
    told = [];
  });

  afterEach(() => {
    rt.close();
    network.restore();
  });

  it('is not made with an address that says no host', () => {
    expect(() => new Rt('/rt')).to.throw('Invalid URL');
    begin();
  });

  it('takes an address without a host for one of the page, or of the worker', async () => {
    Object.assign(globalThis, { location: { href: 'http://gateway/scripts/worker.js' } });
    try {
      rt = new Rt('../rt', { fetch: network.fetch });
    } finally {
      Reflect.deleteProperty(globalThis, 'location');
    }
    rt.subscribe('a', note());
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=0');
  });

  it('asks for nothing until a channel is followed, and then for all that were followed in one moment', async () => {
    begin();
    await pass(60_000);
    expect(network.asked).to.deep.equal([]);
    rt.subscribe('a', note());
    rt.subscribe('b', note(), { since: 7 });
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=0&c=b&m=7');
  });

  it('tells each message once, and asks for what comes behind it', async () => {
    begin().subscribe('a', note());
    await pass();
    await answer(news('a', 1, 2));
    expect(told).to.deep.equal(['a1', 'a2']);
    expect(rt.revision('a')).to.equal(2);
    expect(network.waiting.path).to.equal('/rt?c=a&m=2');
    await answer(news('a', 2, 3));
    expect(told).to.deep.equal(['a1', 'a2', 'a3']);
  });

  it('asks anew when a channel is added while a poll waits, and takes nothing of the answer that was given up', async () => {
    begin().subscribe('a', note(), { since: 1 });
    await pass();
    const before = network.waiting;
    rt.subscribe('b', note());
    await pass();
    expect(before.isOver).to.equal(true);
    before.answer(news('a', 2));
    await pass();
    expect(told).to.deep.equal([]);
    expect(network.asked.at(-1)!.path).to.equal('/rt?c=a&m=1&c=b&m=0');
  });

  it('leaves out what comes of a channel that was taken away, and ends the last poll', async () => {
    begin().subscribe('a', note());
    const leave = rt.subscribe('b', note());
    await pass();
    leave();
    await answer(news('a', 1), news('b', 1));
    expect(told).to.deep.equal(['a1']);
    expect(network.waiting.path).to.equal('/rt?c=a&m=1');
    rt.unsubscribe('a');
    await pass(60_000);
    expect(network.asked).to.deep.equal([]);
  });

  it('lets each listener of a channel begin where it wants', async () => {
    begin().subscribe('a', note('1:'), { since: 2 });
    rt.on('message', (event) => told.push(`all:${event.data}`));
    await pass();
    await answer(news('a', 3));
    rt.subscribe('a', note('2:'));
    await pass();
    rt.subscribe('a', note('3:'), { since: 1 });
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=1');
    told.length = 0;
    await answer(news('a', 2, 3, 4));
    expect(told).to.deep.equal(['3:a2', '3:a3', 'all:a4', '1:a4', '2:a4', '3:a4']);
  });

  it('gives a listener that is added by another one all that it asks for, in order', async () => {
    begin().subscribe(
      'a',
      (event) => {
        note('1:')(event);
        if (told.at(-1) === '1:a7') rt.subscribe('a', note('late:'), { since: 0 });
        if (told.at(-1) === '1:a7') rt.subscribe('a', note('next:'));
      },
      { since: 5 },
    );
    rt.subscribe('a', note('2:'), { since: 5 });
    await pass();
    await answer(news('a', 6, 7, 8));
    expect(told).to.deep.equal(['1:a6', '2:a6', '1:a7', '2:a7']);
    expect(network.waiting.path).to.equal('/rt?c=a&m=0');
    told.length = 0;
    await answer(news('a', 1, 2, 3, 4, 5, 6, 7, 8));
    expect(told.filter((text) => !text.startsWith('late:'))).to.deep.equal(['1:a8', '2:a8', 'next:a8']);
    expect(told.filter((text) => text.startsWith('late:'))).to.deep.equal(
      [1, 2, 3, 4, 5, 6, 7, 8].map((id) => `late:a${id}`),
    );
    expect(network.waiting.path).to.equal('/rt?c=a&m=8');
  });

  it('gives a listener that is added when the status changes all that it asks for', async () => {
    begin().subscribe('a', note('1:'), { since: 5 });
    rt.on('status', () => rt.subscribe('a', note('late:'), { since: 3 }));
    await pass();
    await answer(news('a', 6));
    expect(network.waiting.path).to.equal('/rt?c=a&m=3');
    await answer(news('a', 4, 5, 6));
    expect(told).to.deep.equal(['late:a4', 'late:a5', '1:a6', 'late:a6']);
  });

  it('tells a reset that waits behind a pause, also if a listener comes that wants older messages', async () => {
    begin().subscribe('a', note('1:'), { since: 80 });
    await pass();
    rt.pause();
    await answer({ a: { status: 'reset', msg: [{ id: 3, payload: 'a3' }] } });
    await answer(news('a', 4));
    rt.subscribe('a', note('2:'), { since: 0 });
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=3');
    rt.resume();
    await answer(news('a', 4));
    expect(told).to.deep.equal(['1:reset a', '2:reset a', '1:a4', '2:a4']);
  });

  it('forgets what waits behind a pause of a channel that is left, also a reset', async () => {
    const leave = begin().subscribe('a', note('1:'), { since: 80 });
    await pass();
    rt.pause();
    await answer({ a: { status: 'reset', msg: [{ id: 3 }] } });
    leave();
    rt.subscribe('a', note('2:'), { since: 2 });
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=2');
    rt.resume();
    expect(told).to.deep.equal([]);
  });

  it('tells in order also if a listener ends a pause', async () => {
    begin().subscribe('a', (event) => {
      note('1:')(event);
      rt.pause();
      rt.resume();
    });
    rt.subscribe('a', note('2:'));
    await pass();
    await answer(news('a', 1, 2));
    expect(told).to.deep.equal(['1:a1', '2:a1', '1:a2', '2:a2']);
  });

  it('takes a function that is given twice for two listeners, and takes both away by its name', async () => {
    const twice = note();
    const leave = begin().subscribe('a', twice);
    rt.subscribe('a', twice, { since: 1 });
    await pass();
    await answer(news('a', 1, 2));
    expect(told).to.deep.equal(['a1', 'a2', 'a2']);
    leave();
    leave();
    await answer(news('a', 3));
    expect(told).to.deep.equal(['a1', 'a2', 'a2', 'a3']);
    rt.subscribe('a', twice);
    rt.unsubscribe('a', twice);
    await pass(60_000);
    expect(network.asked).to.deep.equal([]);
    rt.subscribe('a', twice, { since: 4 });
    leave();
    await pass();
    await answer(news('a', 5));
    expect(told.at(-1)).to.equal('a5');
  });

  it('tells a reset with the revision at which the channel goes on, also if that is smaller', async () => {
    const events: RtEvent[] = [];
    begin().subscribe('a', (event) => events.push(event), { since: 80 });
    await pass();
    await answer({ a: { status: 'reset', msg: [{ id: 3, payload: { n: 3 } }] } });
    await answer({ a: { status: 'reset', msg: [{ id: 5 }] } });
    expect(events).to.deep.equal([
      { type: 'reset', channel: 'a', revision: 3, data: { n: 3 } },
      { type: 'reset', channel: 'a', revision: 5 },
    ]);
    expect(network.waiting.path).to.equal('/rt?c=a&m=5');
    await answer(news('a', 6));
    expect(shown(events[2]!)).to.equal('a6');
  });

  it('does not ask for a channel that is denied, until it is told to', async () => {
    begin().subscribe('a', note());
    rt.subscribe('b', note());
    await pass();
    await answer({ b: { status: 'failure', msg: [] } }, news('a', 1));
    expect(told).to.have.members(['a1', 'denied b']);
    expect(network.waiting.path).to.equal('/rt?c=a&m=1');
    rt.refresh();
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=1&c=b&m=0');
    await answer({ a: { status: 'failure', msg: [] }, b: { status: 'failure', msg: [] } });
    await pass(60_000);
    expect(network.asked, 'nothing is left to ask').to.deep.equal([]);
    rt.subscribe('a', note());
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=1');
  });

  it('keeps what comes while it is paused, and tells it in order', async () => {
    begin().subscribe('a', note());
    await pass();
    rt.pause();
    rt.pause();
    await answer(news('a', 1));
    await answer(news('a', 2));
    rt.resume();
    expect(told).to.deep.equal([]);
    expect(network.waiting.path).to.equal('/rt?c=a&m=2');
    rt.resume();
    expect(told).to.deep.equal(['a1', 'a2']);
    rt.resume();
    await answer(news('a', 3));
    expect(told).to.deep.equal(['a1', 'a2', 'a3']);
  });

  it('leaves with the gateway what is too much to keep, and fetches it later', async () => {
    begin().subscribe('a', note());
    await pass();
    rt.pause();
    await answer(news('a', ...Array.from({ length: 1001 }, (_, i) => i + 1)));
    await pass(60_000);
    expect(network.asked).to.deep.equal([]);
    rt.resume();
    await pass();
    expect(told).to.have.length(1001);
    expect(network.waiting.path).to.equal('/rt?c=a&m=1001');
  });

  it('gives a listener that comes while it is paused what the others have to be told, or all that it asks for', async () => {
    begin().subscribe('a', note('1:'), { since: 1 });
    await pass();
    rt.pause();
    await answer(news('a', 2));
    rt.subscribe('a', note('2:'));
    rt.subscribe('a', note('3:'), { since: 0 });
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=0');
    await answer(news('a', 1, 2));
    rt.resume();
    expect(told.sort()).to.deep.equal(['1:a2', '2:a2', '3:a1', '3:a2']);
  });

  it('asks at once when it is refreshed', async () => {
    begin().subscribe('a', note());
    await pass();
    network.waiting.fail();
    await pass();
    expect(network.asked).to.deep.equal([]);
    rt.refresh();
    await pass();
    expect(network.asked).to.have.length(1);
  });

  it('posts a form if the address would be long, with the credential in it', async () => {
    begin({ credential: () => 'secret', user: 7 });
    const names = Array.from({ length: 400 }, (_, i) => `channel:${i}-0123456789`);
    for (const name of names) rt.subscribe(name, note());
    await pass();
    const { method, path, body } = network.waiting;
    expect([method, path]).to.deep.equal(['POST', '/rt']);
    const form = new URLSearchParams(body);
    expect(form.getAll('c')).to.deep.equal(names);
    expect([form.get('user'), form.get('access_token')]).to.deep.equal(['7', 'secret']);
  });

  it('sends no credential and no user if there is none', async () => {
    const none: (string | null | undefined)[] = [null, '', undefined];
    begin({ credential: () => none.shift(), user: null }).subscribe('a', note());
    await pass();
    for (let id = 1; id <= 3; id++) {
      expect(network.waiting.path).to.equal(`/rt?c=a&m=${id - 1}`);
      await answer(news('a', id));
    }
    rt.close();
    begin({ user: 0 }).subscribe('a', note());
    await pass();
    expect(network.waiting.path).to.equal('/rt?c=a&m=0&user=0');
  });

  it('asks at once if it is told to by a listener of the failure', async () => {
    begin().subscribe('a', note());
    rt.on('status', ({ state }) => state === 'error' && rt.refresh());
    await pass();
    network.waiting.answer('', { status: 502 });
    await pass();
    await answer(news('a', 1));
    await pass(31_500);
    expect(rt.status.reason).to.equal('silent');
    expect(network.asked).to.have.length(1);
    await pass(5000);
    expect(network.asked).to.have.length(1);
  });

  it('asks later and later if it fails, says so, and tells what comes once', async () => {
    const statuses: string[] = [];
    begin().on('status', ({ state, reason = '' }) => statuses.push(`${state} ${reason}`.trim()));
    rt.subscribe('a', note());
    await pass();
    network.waiting.answer({ error: 'draining', message: 'another one' }, { status: 503 });
    await pass(2000);
    network.waiting.answer('<html>', { status: 502 });
    await pass(1900);
    expect(network.asked).to.deep.equal([]);
    await pass(2100);
    network.waiting.answer('<html>');
    await pass(4000);
    await answer(news('a', 1));
    expect(statuses).to.deep.equal(['error draining', 'error lost', 'ok']);
    expect(told).to.deep.equal(['a1']);
  });

  it('waits as long as the gateway says, up to two minutes', async () => {
    begin().subscribe('a', note());
    await pass();
    network.waiting.answer(
      { error: 'too_many_requests', message: '' },
      { status: 429, headers: { 'Retry-After': '9' } },
    );
    await pass(8900);
    expect(network.asked).to.deep.equal([]);
    await pass(9200);
    network.waiting.answer('', { status: 503, headers: { 'Retry-After': '86400' } });
    await pass(59_000);
    expect(network.asked).to.deep.equal([]);
    // A request that is not answered is given up after 30 s, so it is looked for every second.
    for (let seconds = 0; seconds < 62 && network.asked.length === 0; seconds++) await pass(1000);
    expect(network.asked, 'a day is too long').to.have.length(1);
  });

  it('takes a poll for dead that is not answered in time, and one that waits for let in', async () => {
    begin().subscribe('a', note());
    await pass(3500);
    expect(rt.status).to.deep.equal({ state: 'connecting' });
    await pass(1000);
    expect(rt.status).to.deep.equal({ state: 'ok' });
    await pass(25_000);
    expect(network.asked).to.have.length(1);
    await pass(2000);
    expect(rt.status).to.deep.equal({ state: 'error', reason: 'silent' });
    await pass(2000);
    expect(network.asked).to.have.length(1);
  });

  it('takes a poll for dead in time although the clock is set back, and at once after a sleep', async () => {
    begin().subscribe('a', note());
    await pass(5000);
    network.shift = -3_600_000;
    await pass(24_000);
    expect(rt.status).to.deep.equal({ state: 'ok' });
    await pass(3000);
    expect(rt.status).to.deep.equal({ state: 'error', reason: 'silent' });
    await pass(2000);
    await answer(news('a', 1));
    network.shift += 60_000;
    await pass(1000);
    expect(rt.status, 'timers and the steady clock stand still in a sleep').to.deep.equal({
      state: 'error',
      reason: 'silent',
    });
  });

  it('asks once a second if something answers that there is nothing, at once and always', async () => {
    begin().subscribe('a', note());
    let polls = 0;
    for (let i = 0; i < 100; i++) {
      await pass(100);
      for (const asked of [...network.asked]) {
        polls++;
        asked.answer({});
      }
    }
    expect(polls).to.be.within(8, 12);
  });

  it('asks for the credential at each poll, once more if it was refused, and then stops and says why', async () => {
    let given = 0;
    begin({ credential: async () => `token-${++given}` }).subscribe('a', note());
    await pass();
    expect(network.waiting.path).to.contain('access_token=token-1');
    const refusal = { error: 'unauthorized', message: 'the credential is refused (expired)' };
    await pass(10_000);
    // It has ended while the poll waited.
    network.waiting.answer(refusal, { status: 401 });
    await pass(2000);
    expect(network.waiting.path).to.contain('access_token=token-2');
    network.waiting.answer(refusal, { status: 401 });
    await pass(60_000);
    expect(network.asked).to.deep.equal([]);
    expect(rt.status).to.deep.equal({
      state: 'failure',
      reason: 'unauthorized',
      message: 'the credential is refused (expired)',
    });
  });

  it('goes on if the credential ends again and again while a poll waits', async () => {
    begin().subscribe('a', note());
    for (let i = 0; i < 4; i++) {
      await pass(9000);
      network.waiting.answer({ error: 'unauthorized', message: '' }, { status: 401 });
    }
    await pass(4000);
    expect(network.asked).to.have.length(1);
  });

  it('stops at once if the request itself is wrong', async () => {
    begin().subscribe('a', note());
    await pass();
    network.waiting.answer({ error: 'bad_channel', message: 'expected a name' }, { status: 400 });
    await pass(60_000);
    expect(network.asked).to.deep.equal([]);
    expect(rt.status).to.deep.equal({ state: 'failure', reason: 'bad_channel', message: 'expected a name' });
  });

  it('asks again if the credential cannot be had, or does not come', async () => {
    let given = 0;
    const credentials = [
      () => Promise.reject(new Error('log in')),
      () => new Promise<string>(() => undefined),
      () => 'token',
    ];
    begin({ credential: () => credentials[given++]!() }).subscribe('a', note());
    await pass();
    expect(rt.status).to.deep.equal({ state: 'error', reason: 'credential', message: 'Error: log in' });
    await pass(10_000);
    expect(rt.status.state, 'nothing was sent').to.equal('error');
    await pass(40_000);
    expect(network.waiting.path).to.contain('access_token=token');
  });

  it('goes on if a listener throws, and tells that', async () => {
    const errors: unknown[] = [];
    begin().on('error', (error) => errors.push(error));
    rt.subscribe('a', () => {
      throw new Error('of the page');
    });
    rt.subscribe('a', note());
    await pass();
    await answer(news('a', 1, 2));
    expect(told).to.deep.equal(['a1', 'a2']);
    expect(errors.map(String)).to.deep.equal(['Error: of the page', 'Error: of the page']);
  });

  it('tells a listener for errors that throws nothing of its own error', async () => {
    const [reported, before] = [[] as unknown[], globalThis.reportError];
    globalThis.reportError = (error) => reported.push(error);
    const listener = (): void => {
      throw new Error('of the listener');
    };
    try {
      begin().on('error', listener);
      rt.subscribe('a', () => {
        throw new Error('of the page');
      });
      await pass();
      await answer(news('a', 1));
    } finally {
      globalThis.reportError = before;
    }
    expect(reported.map(String)).to.deep.equal(['Error: of the listener']);
  });

  it('takes away one of two listeners that are the same function', async () => {
    const statuses: string[] = [];
    const listener = ({ state }: { state: string }): void => void statuses.push(state);
    begin().on('status', listener);
    rt.on('status', listener)();
    rt.close();
    expect(statuses).to.deep.equal(['closed']);
  });

  it('can be changed by its listeners while they are told', async () => {
    begin().subscribe('a', () => {
      rt.unsubscribe('a');
      rt.subscribe('b', note());
    });
    rt.subscribe('a', note());
    await pass();
    await answer(news('a', 1, 2));
    expect(told).to.deep.equal([]);
    expect(network.waiting.path).to.equal('/rt?c=b&m=0');
  });

  it('tells nothing more once a listener has closed it', async () => {
    begin().subscribe('a', (event) => {
      note('1:')(event);
      rt.close();
    });
    rt.subscribe('a', note('2:'));
    rt.on('status', ({ state }) => told.push(state));
    await pass();
    await answer(news('a', 1, 2));
    expect(told).to.deep.equal(['ok', '1:a1', 'closed']);

    told.length = 0;
    begin().on('message', () => rt.close());
    rt.on('message', note('all:'));
    rt.subscribe('a', note());
    await pass();
    await answer(news('a', 1));
    expect(told).to.deep.equal([]);

    begin().subscribe('a', note());
    await pass();
    rt.pause();
    await answer(news('a', 1));
    rt.close();
    rt.resume();
    expect(told).to.deep.equal([]);
  });

  it('asks for nothing after it was closed', async () => {
    begin().subscribe('a', note());
    await pass();
    const { waiting } = network;
    rt.close();
    rt.subscribe('b', note());
    rt.refresh();
    await pass(60_000);
    expect(waiting.isOver).to.equal(true);
    expect(network.asked).to.deep.equal([]);
    expect(rt.status).to.deep.equal({ state: 'closed' });
  });

  describe('in a page', () => {
    let page: EventTarget;
    const happen = (name: string): boolean => page.dispatchEvent(new Event(name));
    let ids: (string | number)[];
    const scroll = (): boolean => happen('scroll');
    const asked = (): string => network.waiting.path.replace('/rt?', '').replaceAll('&m=', ':').replaceAll('&c=', ' ');

    beforeEach(() => {
      page = new EventTarget();
      Object.assign(globalThis, {
        addEventListener: page.addEventListener.bind(page),
        removeEventListener: page.removeEventListener.bind(page),
      });
      ids = [1, 2, 3, 2];
    });

    afterEach(() => {
      for (const name of ['addEventListener', 'removeEventListener']) Reflect.deleteProperty(globalThis, name);
    });

    it('asks anew when the browser is online again, and rests while the page is away', async () => {
      begin().subscribe('1', note());
      await pass(5000);
      const { waiting } = network;
      happen('pageshow');
      await pass();
      expect(network.waiting, 'a page that was only loaded').to.equal(waiting);
      happen('online');
      await pass();
      expect(network.waiting).not.to.equal(waiting);
      network.waiting.fail();
      await pass();
      happen('online');
      await pass();
      happen('pagehide');
      await pass(60_000);
      expect(network.asked).to.deep.equal([]);
      happen('pageshow');
      await pass();
      expect(asked()).to.equal('c=1:0');
    });

    it('follows the nearest channels, and others once nobody has scrolled for a second', async () => {
      begin().nearestSubscriptions(() => ids, { max: 2, listener: note() });
      await pass();
      expect(asked()).to.equal('c=1:0 2:0');
      ids = [3, 2, 1];
      for (let i = 0; i < 5; i++) {
        scroll();
        await pass(900);
      }
      expect(asked()).to.equal('c=1:0 2:0');
      await pass(100);
      expect(asked()).to.equal('c=2:0 3:0');
    });

    it('goes on where a near channel was left, and begins where the page was made', async () => {
      const nearest = begin().nearestSubscriptions(() => ids, {
        max: 1,
        listener: note(),
        since: (channel) => (channel === '1' ? 4 : undefined),
      });
      await pass();
      expect(asked()).to.equal('c=1:4');
      await answer(news('1', 5));
      ids = [2];
      nearest.update();
      await pass();
      expect(asked()).to.equal('c=2:0');
      ids = [1];
      nearest.update();
      await pass();
      expect(asked()).to.equal('c=1:5');
      await answer(news('1', 6));
      expect(told).to.deep.equal(['15', '16']);
    });

    it('goes on where the listener of near channels was left, which others may have passed', async () => {
      let leaves = false;
      const nearest = begin().nearestSubscriptions(() => ids, { max: 1, listener: note('near:') });
      rt.on('message', () => leaves && nearest.update());
      const leave = rt.subscribe('1', note());
      await pass();
      await answer(news('1', 1));
      ids = [2];
      leaves = true;
      await answer(news('1', 2));
      leaves = false;
      leave();
      ids = [1];
      nearest.update();
      await pass();
      await answer(news('1', 2));
      expect(told).to.deep.equal(['near:11', '11', '12', 'near:12']);
    });

    it('follows a near channel beside a listener that is the same function', async () => {
      const listener = note();
      begin().subscribe('1', listener);
      const nearest = rt.nearestSubscriptions(() => ids, { max: 1, listener });
      await pass();
      nearest.close();
      await answer(news('1', 1));
      expect(told).to.deep.equal(['11']);
    });

    it('does not ask anew if the nearest are the same, and follows none after its end', async () => {
      const nearest = begin().nearestSubscriptions(() => ids, { max: 3 });
      await pass();
      const { waiting } = network;
      ids = [3, 2, 1];
      scroll();
      await pass(1000);
      expect(network.waiting).to.equal(waiting);
      nearest.close();
      scroll();
      await pass(2000);
      expect(network.asked).to.deep.equal([]);
    });
  });
});
