import { expect } from 'chai';
import fc from 'fast-check';
import { poll } from '../../src/client/poll.ts';
import { tabs } from '../../src/client/tabs.ts';
import { action, TabsModel } from '../support/client/tabs-model.ts';

const RUNS = Number(process.env.TABS_RUNS ?? 1_500);

describe('tabs that share a line', function () {
  this.timeout(60_000 + 10 * RUNS);

  it('are given every message behind their position once and in order, and in the end by one line, whatever happens', async () => {
    const property = fc.asyncProperty(fc.nat(), fc.array(action, { maxLength: 60 }), async (seed, actions) => {
      const model = new TabsModel(seed);
      model.browser.install();
      try {
        await model.join(0);
        for (const one of actions) await model.act(one);
        for (const client of model.clients) model.judge(client, false);
        await model.settle();
        for (const client of model.alive) model.judge(client, true);
        expect(model.gateway.open.size, 'open lines').to.equal(Math.min(1, model.alive.length));
      } finally {
        model.browser.restore();
      }
    });
    await fc.assert(property, { numRuns: RUNS });
  });

  describe('in one order of events', () => {
    let model: TabsModel;

    beforeEach(() => {
      // In this order a tab hears the last word of its leader before it gets the lock; otherwise one tab tries once more.
      model = new TabsModel(8);
      model.browser.install();
    });
    afterEach(() => model.browser.restore());

    /** The positions at which lines were opened. */
    const opened = (): (string | null)[] => model.gateway.opened.map((url) => url.searchParams.get('lastEventId'));

    it('share the way round a path that buffers, and refuse to be inside of it', () => {
      const lines = () => ({ close: () => undefined });
      expect(tabs({ key: '7' })(poll()(lines))).to.be.a('function');
      expect(() => poll()(tabs({ key: '7' })(lines))).to.throw('expected tabs() before poll()');
    });

    it('take what the leader reads, and its ok', async () => {
      for (let tab = 0; tab < 8; tab++) await model.open();
      await model.idle();
      model.gateway.publish();
      await model.idle();
      expect(opened()).to.deep.equal([null]);
      for (const { read, statuses } of model.clients) {
        expect(read).to.deep.equal([110]);
        expect(statuses).to.deep.equal(['ok']);
      }
    });

    it('pass over what is no word of theirs', async () => {
      const channels: BroadcastChannel[] = [];
      const Simulated = globalThis.BroadcastChannel;
      globalThis.BroadcastChannel = class extends Simulated {
        constructor(name: string) {
          super(name);
          channels.push(this);
        }
      };
      for (let tab = 0; tab < 3; tab++) await model.open();
      await model.idle();
      const strange = [7, 'x', true, [], {}, { term: null }, { term: 'x', data: '{}', id: '1' }, { line: {}, at: 1 }];
      for (const data of strange) for (const channel of channels) channel.onmessage?.({ data } as MessageEvent);
      await model.idle();
      model.gateway.publish();
      await model.idle();
      expect(opened()).to.deep.equal([null]);
      for (const { read } of model.clients) expect(read).to.deep.equal([110]);
    });

    it('need no line of their own where nothing came behind their position', async () => {
      await model.open();
      await model.idle();
      model.gateway.publish();
      await model.idle();
      await model.pass(15_000);
      await model.idle();
      const late = await model.open({ since: 110 });
      await model.idle();
      model.gateway.publish();
      await model.idle();
      expect(late.read).to.deep.equal([120]);
      expect(opened()).to.have.length(1);
    });

    it('read what they have missed by a line of their own', async () => {
      await model.open();
      await model.idle();
      model.gateway.publish();
      model.gateway.publish();
      await model.idle();
      const late = await model.open({ since: 100 });
      await model.idle();
      expect(late.read).to.deep.equal([110, 120]);
      expect(opened()).to.deep.equal([null, '100']);
      expect(model.gateway.open.size).to.equal(1);
    });

    it('are told of a gap behind their position, though the leader was told before', async () => {
      await model.open();
      await model.idle();
      model.gateway.lose();
      await model.idle();
      const late = await model.open({ since: 100 });
      await model.idle();
      expect([...late.resets]).to.deep.equal([0]);
      model.gateway.publish();
      await model.idle();
      expect(late.read).to.deep.equal([110]);
      expect(model.gateway.open.size).to.equal(1);
    });

    it('take over at once where the leader is closed, at the position of the next', async () => {
      const first = await model.open();
      const second = await model.open();
      await model.idle();
      model.gateway.publish();
      await model.idle();
      await model.browser.run(first.tab, () => first.close());
      model.gateway.publish();
      await model.idle();
      expect(second.read).to.deep.equal([110, 120]);
      expect(opened()).to.deep.equal([null, '110']);
    });

    it('take the lock from a leader that hangs, which then follows', async () => {
      const first = await model.open();
      const second = await model.open();
      await model.idle();
      first.tab.isFrozen = true;
      model.gateway.publish();
      await model.seconds(27);
      expect(second.read).to.deep.equal([110]);
      first.tab.isFrozen = false;
      await model.idle();
      model.gateway.publish();
      await model.idle();
      for (const { read } of model.clients) expect(read).to.deep.equal([110, 120]);
      expect(model.gateway.open.size).to.equal(1);
      // It waits for the lock again.
      await model.browser.run(second.tab, () => second.close());
      model.gateway.publish();
      await model.idle();
      expect(first.read).to.deep.equal([110, 120, 130]);
    });

    it('take the lock from a leader whose line is silent, before they take their own for dead', async () => {
      await model.open();
      const second = await model.open();
      await model.idle();
      for (const line of model.gateway.open) line.isStalled = true;
      model.gateway.publish();
      await model.seconds(27);
      expect(second.read).to.deep.equal([110]);
      expect(second.statuses).to.deep.equal(['ok', 'ok']);
    });

    it('have a position that the gateway does not know judged by the gateway', async () => {
      await model.open();
      await model.idle();
      const late = await model.open({ since: 1_100 });
      await model.seconds(3);
      model.gateway.publish();
      await model.idle();
      expect(late.read).to.deep.equal([110]);
      expect(late.position).to.equal(110);
    });

    it('open another line at once if that of the leader breaks', async () => {
      const [first, ...others] = [await model.open(), await model.open(), await model.open()];
      await model.idle();
      for (const line of model.gateway.open) line.end();
      await model.idle();
      model.gateway.publish();
      await model.idle();
      expect(first!.isOpen).to.equal(false);
      for (const { read, isOpen } of others) expect([isOpen, ...read]).to.deep.equal([true, 110]);
      expect(opened()).to.deep.equal([null, '100']);
    });

    for (const [why, goodbye] of [
      ['says that it cannot now', { status: 'error', retry: 5_000 }],
      ['is being stopped', { noop: true, retry: 5_000 }],
    ] as const) {
      it(`all wait if the gateway ${why}`, async () => {
        const clients = [await model.open(), await model.open(), await model.open()];
        await model.idle();
        for (const line of model.gateway.open) {
          line.send(goodbye);
          line.end();
        }
        await model.idle();
        expect(clients.map(({ isOpen }) => isOpen)).to.deep.equal([false, false, false]);
        expect(opened()).to.have.length(1);
      });
    }

    it('all wait if the next line fails, too', async () => {
      const clients = [await model.open(), await model.open(), await model.open()];
      await model.idle();
      model.gateway.isAway = true;
      for (const line of model.gateway.open) line.end();
      await model.idle();
      expect(clients.map(({ isOpen }) => isOpen)).to.deep.equal([false, false, false]);
      // The last tab may have the lock before it hears of the second failure.
      expect(opened()).to.have.length.within(2, 3);
    });

    it('ask for a credential again before they believe that they are refused', async () => {
      const first = await model.open({ query: '&access_token=old' });
      const second = await model.open({ query: '&access_token=old' });
      await model.idle();
      model.gateway.refuses = 'old';
      second.query = '&access_token=fresh';
      await model.browser.run(first.tab, () => first.close());
      await model.idle();
      expect(second.isOpen).to.equal(false);
      await model.pass(2_000);
      await model.idle();
      model.gateway.publish();
      await model.idle();
      expect(second.statuses).to.deep.equal(['ok', 'ok']);
      expect(second.read).to.deep.equal([110]);
    });

    it('are told that they are refused by a credential of their own', async () => {
      model.gateway.refuses = 'old';
      const first = await model.open({ query: '&access_token=old' });
      const second = await model.open({ query: '&access_token=good' });
      await model.settle();
      expect(first.statuses).to.deep.equal(['failure expired']);
      model.judge(second, true);
    });

    it('end when a page of another user comes up, and do not end that one when they open again', async () => {
      const old = [await model.open({ key: '7' }), await model.open({ key: '7' })];
      await model.idle();
      await model.pass(1);
      const { tab: frozen } = old[1]!;
      frozen.isFrozen = true;
      const late = await model.open({ key: '8' });
      await model.idle();
      expect(old[0]!.statuses).to.deep.equal(['ok', 'failure user_changed']);
      frozen.isFrozen = false;
      await model.settle();
      expect(old[1]!.statuses.at(-1)).to.equal('failure user_changed');
      expect(late.statuses).to.not.include('failure user_changed');
      model.judge(late, true);
    });

    it('end where another user logged in while they had no line, though that page is gone', async () => {
      const back = await model.open({ key: '7' });
      await model.idle();
      for (const line of model.gateway.open) line.end();
      await model.idle();
      const other = await model.open({ key: '8' });
      await model.idle();
      model.browser.crash(other.tab);
      await model.settle();
      expect(back.statuses.at(-1)).to.equal('failure user_changed');
      expect(back.read).to.deep.equal([]);
    });

    it('take the later page for the right one, though the clock was set back', async () => {
      const old = await model.open({ key: '7' });
      await model.idle();
      model.browser.now -= 3_600_000;
      const late = await model.open({ key: '8' });
      await model.settle();
      expect(old.statuses.at(-1)).to.equal('failure user_changed');
      expect(late.statuses).to.not.include('failure user_changed');
    });

    it('know of no other users where the page names its user', async () => {
      const one = await model.open({ key: '7', query: '&user=7' });
      const other = await model.open({ key: '8', query: '&user=8' });
      await model.settle();
      for (const client of [one, other]) model.judge(client, true);
      expect(model.gateway.open.size).to.equal(2);
    });

    it('share nothing with other addresses', async () => {
      await model.open({ query: '&c=room:1' });
      await model.open({ query: '&c=room:2' });
      await model.open({ query: '&c=room:2' });
      await model.idle();
      expect(opened()).to.have.length(2);
    });

    it('each have a line of their own where the browser refuses locks', async () => {
      model.browser.hasNoLocks = true;
      for (let tab = 0; tab < 3; tab++) await model.open();
      await model.settle();
      for (const client of model.clients) model.judge(client, true);
    });
  });

  it('do not go back to a leader that has woken and does not know yet that it has lost the lock', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const model = new TabsModel(seed);
      model.browser.install();
      try {
        const [first, ...others] = [await model.open(), await model.open(), await model.open()];
        await model.idle();
        first!.tab.isFrozen = true;
        await model.seconds(27);
        model.gateway.publish();
        await model.idle();
        first!.tab.isFrozen = false;
        await model.idle();
        model.gateway.publish();
        await model.idle();
        for (const { read } of others) expect(read).to.deep.equal([110, 120]);
      } finally {
        model.browser.restore();
      }
    }
  });

  it('are left alone where there is nothing to share with', () => {
    const open = () => ({ close: () => undefined });
    expect(tabs({ key: '7' })(open)).to.equal(open);
  });
});
