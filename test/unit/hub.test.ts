import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Backlog } from '../../src/backlog/backlog.ts';
import { PAGE_MESSAGES } from '../../src/backlog/pages.ts';
import { Counters } from '../../src/counters.ts';
import type { ChannelSource, ForkExtent, Gap, Mark, SourceListener } from '../../src/hub/channel-source.ts';
import { Hub, type HubOptions } from '../../src/hub/hub.ts';
import type { Reader } from '../../src/hub/subscription.ts';
import { createLogger } from '../../src/logger.ts';
import type { Delivery } from '../../src/message/delivery.ts';
import type { Message } from '../../src/message/message.ts';
import { BEGINNING, justAfter, justBefore, laterOf, type Position } from '../../src/message/position.ts';
import { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { aMessage } from '../support/messages.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

/** A store whose connection stays, whether it answers or not. */
class Source implements ChannelSource {
  answers = true;
  start(listener: SourceListener): void {
    listener.up();
  }
  async subscribe(): Promise<string[]> {
    return [];
  }
  unsubscribe(): void {}
  async mark(channels: string[]): Promise<Mark> {
    if (!this.answers) throw new Error('no answer');
    return { position: BEGINNING, born: BEGINNING, gaps: [], heads: channels.map(() => BEGINNING) };
  }
  async settle(): Promise<void> {}
  async reportLost(): Promise<void> {}
  async close(): Promise<void> {}
}

/** A reader who does nothing. */
const silent: Reader = {
  receive: () => undefined,
  plain: () => undefined,
  changed: () => undefined,
  hold: () => undefined,
  release: () => undefined,
  reset: () => undefined,
};

const stores: { hub: Hub; store: MemoryStore }[] = [];

/** A hub on the memory's source, unless it is given another; not started. Both are closed after the test. */
function aHub({
  kept = 100,
  isConflated = false,
  ...options
}: Partial<HubOptions> & { kept?: number; isConflated?: boolean } = {}) {
  const retention = () => ({ length: kept, ttl: 3_600_000, isConflated });
  const store = new MemoryStore({ retention, maxMessage: 1000 });
  const { backlog, source } = store;
  const logger = createLogger('silent');
  const counters = new Counters();
  const hub = new Hub({ source, backlog, counters, recordsPlain: () => false, retention, logger, ...options });
  stores.push({ hub, store });
  return { hub, backlog, source, counters };
}

/** Notes what a reader is given, and what it is told. */
function aReader(heard: string[]): Reader {
  return {
    ...silent,
    receive: ({ message }) => heard.push(message.payload.toString()),
    reset: (channel, reason) => heard.push(`${reason} ${channel}`),
  };
}

describe('the hub', () => {
  afterEach(async () => {
    for (const { hub, store } of stores.splice(0)) {
      await hub.close();
      await store.close();
    }
  });

  /** The next mark is made, and answered only when it is told so. */
  function holdMark(source: ChannelSource): () => void {
    const { mark } = source;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    source.mark = async (channels) => {
      source.mark = mark;
      const answer = await mark.call(source, channels);
      await released;
      return answer;
    };
    return release;
  }

  describe('while the store stands still', () => {
    it('knows since when, also where it was making up for something missed', async () => {
      const source = new Source();
      const { hub } = aHub({ source });
      hub.start();
      await eventually(() => hub.isOpen);
      expect(hub.downSince).to.equal(undefined);
      source.answers = false;
      void hub.heal(undefined);
      await eventually(() => hub.downSince !== undefined);
      source.answers = true;
      await eventually(() => hub.isOpen);
      expect(hub.downSince).to.equal(undefined);
    });
  });

  describe('after a lost connection', () => {
    it('gives nothing until what was published plainly meanwhile is recorded', async () => {
      const { hub, backlog, source } = aHub();
      const heard: string[] = [];
      hub.start();
      await eventually(() => hub.isOpen);
      await hub.follow(aReader(heard), ['room:1']);
      let settle = (): void => undefined;
      source.settle = () =>
        new Promise((resolve) => {
          settle = resolve;
        });
      hub.down();
      hub.up();
      await backlog.publish([{ channel: 'room:1', data: Buffer.from('behind it') }]);
      for (let i = 0; i < 10; i++) await turn();
      expect(heard).to.deep.equal([]);
      settle();
      await eventually(() => heard.length > 0);
      expect(heard).to.deep.equal(['behind it']);
    });
  });

  describe('that is asked, while it heals, whether everything is recorded', () => {
    it('answers when the records that it holds have been given', async () => {
      const { hub, backlog, source } = aHub();
      const heard: string[] = [];
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(aReader(heard), ['room:1']);
      const release = holdMark(source);
      void hub.heal(['room:1']);
      await backlog.publish([{ channel: 'room:1', data: Buffer.from('the record') }]);
      const settled = hub.settle().then(() => heard.push('settled'));
      for (let i = 0; i < 10; i++) await turn();
      expect(heard).to.deep.equal([]);
      release();
      await settled;
      expect(heard).to.deep.equal(['the record', 'settled']);
    });
  });

  describe('with more heard while it heals than it holds', () => {
    const MOST_HELD = 50_000;

    it('reads from the backlogs what it dropped, at once and in every channel', async function () {
      this.timeout(10_000);
      let reread = 0;
      const { hub, backlog, source } = aHub({ kept: 100_000, onHealed: () => reread++ });
      const heard: string[] = [];
      const reader: Reader = {
        ...silent,
        receive: ({ message }) => heard.push(message.channel),
        reset: (channel, reason) => heard.push(`${reason} ${channel}`),
      };
      // Without the self-check, which would find it too, a little later.
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(reader, ['room:loud', 'room:quiet']);
      reread = 0;
      const release = holdMark(source);
      void hub.heal(undefined);
      const loud = Array.from({ length: MOST_HELD }, () => ({ channel: 'room:loud', data: Buffer.from('text') }));
      await backlog.publish(loud);
      await backlog.publish([{ channel: 'room:quiet', data: Buffer.from('text') }]);
      await turn();
      release();
      await eventually(() => heard.length > MOST_HELD);
      expect(heard.length).to.equal(MOST_HELD + 1);
      expect(heard.at(-1)).to.equal('room:quiet');
      expect(reread, 'what was dropped may have been changes of rights').to.equal(1);
    });
  });

  describe('while a channel waits to be subscribed', () => {
    it('subscribes it, also where it made up for something missed meanwhile', async () => {
      const source = new Source();
      const subscribed: string[] = [];
      let release = (): void => undefined;
      source.subscribe = async (channels: string[] = []) => {
        subscribed.push(...channels);
        if (channels.includes('room:1')) await new Promise<void>((resolve) => (release = resolve));
        return [];
      };
      const { hub } = aHub({ source });
      hub.start();
      await eventually(() => hub.isOpen);
      const following = Promise.all(['room:1', 'room:2'].map((channel, i) => turnsLater(i, channel)));
      async function turnsLater(turns: number, channel: string): Promise<void> {
        for (let i = 0; i < 3 * turns; i++) await turn();
        await hub.follow(silent, [channel]);
      }
      await eventually(() => hub.channels === 2);
      await hub.heal(undefined);
      release();
      await following;
      expect(subscribed).to.deep.equal(['room:1', 'room:2']);
    });
  });

  describe('when something was not heard and nobody knows why', () => {
    it('tells its readers, who may be past it by what they got in other channels, and gives it to the others', async () => {
      const { hub, backlog, source } = aHub();
      const heard: string[] = [];
      const reader = aReader(heard);
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(reader, ['room:1', 'room:2']);
      const publish = async (channel: string, text: string) => backlog.publish([{ channel, data: Buffer.from(text) }]);
      const { message } = hub;
      hub.message = () => undefined;
      await publish('room:1', 'missed');
      await turn();
      hub.message = message;
      await publish('room:2', 'later');
      await turn();
      await hub.heal(['room:1', 'room:2']);
      expect(heard).to.deep.equal(['later', 'overtaken room:1', 'missed']);
      await publish('room:1', 'last');
      await turn();
      await hub.heal(undefined);
      expect(heard.slice(3)).to.deep.equal(['last']);
    });
  });

  describe('when much was missed', () => {
    /** A hub that follows these channels for a reader, and does not hear what is published in `missing`. */
    async function deaf(options: Parameters<typeof aHub>[0], reader: Reader, channels: string[]) {
      const made = aHub({ kept: 100_000, ...options });
      const { hub, backlog, source } = made;
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(reader, channels);
      const { message } = hub;
      const missing = async (publications: [string, string][]): Promise<void> => {
        hub.message = () => undefined;
        await backlog.publish(publications.map(([channel, text]) => ({ channel, data: Buffer.from(text) })));
        await turn();
        hub.message = message;
      };
      return { ...made, missing };
    }

    const numbered = (count: number, channels: number): [string, string][] =>
      Array.from({ length: count }, (_, i) => [`room:${i % channels}`, `${i}`]);

    it('gives it page by page, in the order of ids with what is held, when its readers have taken the one before', async () => {
      const heard: string[] = [];
      let release = (): void => undefined;
      const settled = () => new Promise<void>((resolve) => (release = resolve));
      const reader = { ...silent, receive: ({ message }: Delivery) => void heard.push(message.payload.toString()) };
      const channels = Array.from({ length: 7 }, (_, i) => `room:${i}`);
      const { hub, backlog, missing } = await deaf({ settled }, reader, channels);
      const many = 4 * PAGE_MESSAGES;
      await missing(numbered(many, 6));
      const healing = hub.heal(channels.slice(0, 6));
      await backlog.publish([{ channel: 'room:6', data: Buffer.from('last') }]);
      let pages = 0;
      for (let count = -1; heard.length <= many; count = heard.length, pages++) {
        await eventually(() => heard.length > count && (heard.length % PAGE_MESSAGES === 0 || heard.length > many));
        expect(heard.length).to.be.at.most(PAGE_MESSAGES * (pages + 1) + 1);
        for (let i = 0; i < 5; i++) await turn();
        release();
      }
      await healing;
      expect(pages).to.be.above(3);
      expect(heard).to.deep.equal([...numbered(many, 6).map(([, text]) => text), 'last']);
    });

    it('counts as healed what was missed, and not what was heard meanwhile, in the same channel or in another', async () => {
      const heard: string[] = [];
      const { hub, backlog, source, counters, missing } = await deaf({}, aReader(heard), ['room:0', 'room:1']);
      await missing(numbered(3, 1));
      const { mark } = source;
      source.mark = async (channels) => {
        source.mark = mark;
        for (const channel of ['room:0', 'room:1']) await backlog.publish([{ channel, data: Buffer.from('heard') }]);
        return mark.call(source, channels);
      };
      await hub.heal(['room:0']);
      expect(heard).to.deep.equal(['0', '1', '2', 'heard', 'heard']);
      expect(counters.snapshot()).to.deep.include({ healed: 3, duplicates: 0, unconfirmed: 0 });
    });

    it('tells what is gone before it, and does not take that for never published', async () => {
      const heard: string[] = [];
      const { hub, backlog, counters, missing } = await deaf({ kept: 3 }, aReader(heard), ['room:0', 'room:1']);
      const position = hub.position;
      await missing(numbered(10, 1));
      await hub.heal(undefined);
      expect(heard).to.deep.equal(['trimmed room:0', '7', '8', '9']);
      expect(hub.recent('room:0', position)).to.equal(undefined);
      await backlog.publish([{ channel: 'room:0', data: Buffer.from('10') }]);
      await turn();
      expect(heard.at(-1)).to.equal('10');
      expect(counters.snapshot().healed).to.equal(3);
    });

    it('gives only the newest where each message replaces the ones before it, and tells of nothing', async () => {
      const heard: string[] = [];
      const options = { kept: 1, isConflated: true };
      const { hub, backlog, counters, missing } = await deaf(options, aReader(heard), ['room:0', 'room:1']);
      const position = hub.position;
      await missing(numbered(10, 1));
      await hub.heal(undefined);
      expect(heard).to.deep.equal(['9']);
      for (const text of ['10', '11']) await backlog.publish([{ channel: 'room:0', data: Buffer.from(text) }]);
      await turn();
      expect(heard).to.deep.equal(['9', '10', '11']);
      expect(hub.recent('room:0', position)?.map(({ message }) => message.payload.toString())).to.deep.equal(['11']);
      expect(counters.snapshot()).to.deep.include({ healed: 1, unconfirmed: 0 });
    });

    it('goes on without another healing where what it asked for is replaced meanwhile', async () => {
      const heard: string[] = [];
      const options = { kept: 1, isConflated: true };
      const { hub, backlog, source, counters, missing } = await deaf(options, aReader(heard), ['room:0']);
      await missing(numbered(3, 1));
      const { mark } = source;
      let marks = 0;
      source.mark = async (channels) => {
        marks++;
        if (marks > 1) return mark.call(source, channels);
        await backlog.publish([{ channel: 'room:0', data: Buffer.from('asked for') }]);
        const answer = await mark.call(source, channels);
        await backlog.publish([{ channel: 'room:0', data: Buffer.from('newest') }]);
        return answer;
      };
      await hub.heal(['room:0']);
      for (let i = 0; i < 10; i++) await turn();
      expect([heard, marks]).to.deep.equal([['newest'], 1]);
      expect(counters.snapshot()).to.deep.include({ healed: 0, unconfirmed: 0 });
    });

    it('has readers hold from the first page on whose rights change with a plain PUBLISH in a later one', async () => {
      const heard: string[] = [];
      const reader: Reader = {
        ...silent,
        receive: ({ message }) => heard.push(message.payload.toString()),
        hold: () => heard.push('hold'),
        release: () => heard.push('release'),
      };
      const store = new MemoryStore({ retention: () => ({ length: 10_000, ttl: 3_600_000 }), maxMessage: 1000 });
      const plain = (message: Message): Message => ({ ...message, place: { id: BEGINNING, number: 1 } });
      const { backlog, source } = store;
      const open: Backlog['open'] = async (requests) => {
        const reading = await backlog.open(requests);
        const next = async () => {
          const page = await reading.next();
          return page && { ...page, messages: page.messages.map((one) => (one.rights ? plain(one) : one)) };
        };
        return { gaps: reading.gaps, next };
      };
      const { hub } = aHub({ source, backlog: { ...store.backlog, open } as Backlog });
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(reader, ['room:0', 'user:7']);
      const { message } = hub;
      hub.message = () => undefined;
      for (const [channel, text] of [...numbered(600, 1), ['user:7', 'changed'], ...numbered(600, 1)] as const) {
        await backlog.publish([{ channel, data: Buffer.from(text) }]);
      }
      await turn();
      hub.message = message;
      await hub.heal(undefined);
      expect(heard.length).to.equal(1203);
      expect(heard[0]).to.equal('hold');
      expect(heard.indexOf('release')).to.be.above(heard.indexOf('changed')).and.below(1202);
      await store.close();
    });
  });

  describe('where something is heard that nobody has published', () => {
    const forged = (fields: Partial<Message>): Message =>
      aMessage({ channel: 'room:1', payload: Buffer.from('forged'), ...fields });

    async function aHubThatHeard() {
      const { hub, backlog, source, counters } = aHub();
      const heard: string[] = [];
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(aReader(heard), ['room:1', 'room:2']);
      const publish = async (channel: string, text: string): Promise<Position> => {
        const [published] = await backlog.publish([{ channel, data: Buffer.from(text) }]);
        await turn();
        return published!.id;
      };
      let marks = 0;
      const { mark } = source;
      source.mark = (channels) => {
        marks++;
        return mark.call(source, channels);
      };
      return { hub, source, counters, heard, publish, marks: () => marks };
    }

    it('asks the store once, gives none of it, and goes on', async () => {
      const { hub, counters, heard, publish, marks } = await aHubThatHeard();
      const head = await publish('room:1', '1');
      for (const previous of [BEGINNING, head]) {
        hub.message(forged({ id: justAfter(justAfter(head)), previous }), true);
        await eventually(() => hub.isOpen);
      }
      await publish('room:1', '2');
      await publish('room:2', '3');
      expect(heard).to.deep.equal(['1', '2', '3']);
      expect(marks()).to.equal(2);
      expect(counters.snapshot().unconfirmed).to.equal(2);
    });

    it('gives none of it that is heard while the store is asked, of the channel that is healed or of another', async () => {
      const { hub, source, heard, publish } = await aHubThatHeard();
      const head = await publish('room:1', '1');
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const { mark } = source;
      source.mark = async (channels) => {
        await released;
        return mark.call(source, channels);
      };
      const healing = hub.heal(['room:1']);
      hub.message(forged({ id: justAfter(head), previous: head }));
      hub.message(forged({ id: justAfter(head), previous: head, channel: 'room:2' }));
      await publish('room:2', '2');
      release();
      await healing;
      await eventually(() => hub.isOpen && heard.includes('2'));
      await publish('room:1', '3');
      expect(heard).to.deep.equal(['1', '2', '3']);
    });

    it('asks once more where it was heard behind the answer', async () => {
      const { hub, source, counters, heard, publish } = await aHubThatHeard();
      await publish('room:1', '1');
      const release = holdMark(source);
      const healing = hub.heal(['room:2']);
      const { message } = hub;
      // Its id is later than the answer's, and it is real all the same: Redis's clock was set.
      hub.message = function (this: Hub, heard: Message) {
        return message.call(this, heard, true);
      };
      await publish('room:1', '2');
      hub.message = message;
      release();
      await healing;
      await eventually(() => heard.length === 2);
      expect(heard).to.deep.equal(['1', '2']);
      expect(counters.snapshot().unconfirmed).to.equal(0);
    });

    it('lets go of a head that the store does not have', async () => {
      const { hub, counters, heard, publish } = await aHubThatHeard();
      const head = await publish('room:1', '1');
      hub.message(forged({ id: justAfter(head), previous: head }));
      await publish('room:2', '2');
      await hub.heal(['room:1']);
      expect(hub.subscription('room:1')!.head).to.equal(head);
      await publish('room:1', '3');
      expect(heard).to.deep.equal(['1', 'forged', '2', '3']);
      expect(counters.snapshot().unconfirmed).to.equal(1);
    });
  });

  describe('when a gap is said', () => {
    it('tells its readers at once, before what follows, and only once; in its turn where something is held', async () => {
      const { hub, backlog, source } = aHub({ recordsPlain: () => true });
      const heard: string[] = [];
      const reader = aReader(heard);
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(reader, ['room:1']);
      const publish = async (text: string): Promise<Position> => {
        const [published] = await backlog.publish([{ channel: 'room:1', data: Buffer.from(text) }]);
        await turn();
        return published!.id;
      };
      const gaps: Gap[] = [];
      const { mark } = source;
      source.mark = async (channels) => ({ ...(await mark.call(source, channels)), gaps: [...gaps] });
      const gapAfter = (position: Position): Gap => {
        const gap: Gap = { reason: 'unrecorded', from: position, to: justAfter(position), lost: [] };
        gaps.push(gap);
        return gap;
      };
      const gap = gapAfter(await publish('1'));
      hub.gap(gap);
      hub.gap(gap);
      await publish('2');
      expect(heard).to.deep.equal(['1', 'unrecorded room:1', '2']);
      const release = holdMark(source);
      const healing = hub.heal(['room:1']);
      const last = await publish('3');
      hub.gap(gapAfter(last));
      await publish('4');
      expect(heard).to.have.length(3);
      release();
      await healing;
      await eventually(() => heard.length === 6);
      expect(heard.slice(3)).to.deep.equal(['3', 'unrecorded room:1', '4']);
    });
  });

  describe('when the store turns out to have lost what it gave out last', () => {
    /** A hub of whose channels `room:1` and `room:2` have a reader, in a store whose gaps are up to the test. */
    async function forkable() {
      const { hub, backlog, source } = aHub();
      const heard: string[] = [];
      const reports: string[] = [];
      const gaps: Gap[] = [];
      const { mark } = source;
      source.mark = async (channels) => ({ ...(await mark.call(source, channels)), gaps: structuredClone(gaps) });
      source.reportLost = async (fork?: Gap, extent?: string, channels: string[] = []) => {
        reports.push([extent, ...channels].join(' '));
        const kept = gaps.find(({ to }) => to === fork!.to)!;
        if (extent === 'all') kept.extent = 'all';
        else kept.lost.push(...channels);
        hub.gap(structuredClone(kept));
      };
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(aReader(heard), ['room:1', 'room:2']);
      const publish = async (channel: string): Promise<Position> => {
        const [published] = await backlog.publish([{ channel, data: Buffer.from(channel) }]);
        await turn();
        return published!.id;
      };
      const fork = (from: Position, to: Position, extent: ForkExtent, ...lost: string[]): Gap => {
        return { reason: 'forked', from, to, lost, extent };
      };
      return { hub, heard, reports, gaps, publish, fork };
    }

    it('waits for those who had heard everything to say in which channels, and tells these', async () => {
      const { hub, heard, reports, gaps, publish, fork } = await forkable();
      const last = await publish('room:1');
      gaps.push(fork(last, justAfter(justAfter(last)), 'awaited'));
      hub.gap(gaps[0]!);
      const behind = publish('room:2');
      await pause(200);
      await behind;
      expect(hub.isOpen).to.equal(false);
      expect(heard).to.deep.equal(['room:1']);
      gaps[0] = { ...gaps[0]!, extent: 'known', lost: ['room:2', 'room:3'] };
      await eventually(() => hub.isOpen);
      expect(heard.filter((text) => text.startsWith('forked'))).to.deep.equal(['forked room:2']);
      expect(reports).to.deep.equal([]);
      expect(hub.gaps).to.deep.equal(gaps);
    });

    it('tells everybody where none of them says anything', async () => {
      const { hub, heard, reports, gaps, publish, fork } = await forkable();
      const last = await publish('room:1');
      gaps.push(fork(last, justAfter(justAfter(last)), 'awaited'));
      const [began, watch] = [performance.now(), new Stopwatch()];
      hub.gap(gaps[0]!);
      await eventually(() => hub.isOpen);
      expect(performance.now() - began).to.be.above(1100);
      expect(watch.elapsed).to.be.below(1900);
      expect(reports).to.deep.equal(['all']);
      expect(heard).to.deep.equal(['room:1', 'forked room:1', 'forked room:2']);
    });

    it('tells everybody where nobody hears everything and something was given out behind, and else nobody', async () => {
      const { hub, heard, reports, gaps, publish, fork } = await forkable();
      const last = await publish('room:1');
      await publish('room:unread');
      await hub.refresh();
      gaps.push(fork(hub.position, justAfter(hub.position), 'unheard'));
      hub.gap(gaps[0]!);
      await eventually(() => hub.isOpen);
      expect(heard).to.deep.equal(['room:1']);
      gaps.push(fork(last, justAfter(justAfter(hub.position)), 'unheard'));
      hub.gap(gaps[1]!);
      await eventually(() => hub.isOpen);
      expect(heard).to.deep.equal(['room:1', 'forked room:1', 'forked room:2']);
      expect(reports).to.deep.equal(['all']);
    });

    it('says in which channels it has heard what is lost, and tells their readers once', async () => {
      const { hub, heard, reports, gaps, publish, fork } = await forkable();
      await publish('room:2');
      const last = await publish('room:1');
      gaps.push(fork(justBefore(last), justAfter(last), 'known'));
      // Found while another channel is healed.
      await hub.heal(['room:2']);
      await eventually(() => hub.isOpen);
      expect(reports).to.deep.equal(['some room:1']);
      expect(heard.filter((text) => text.startsWith('forked'))).to.deep.equal(['forked room:1']);
    });

    it('tells also of what others say later, and not again where forks are put together', async () => {
      const { hub, heard, gaps, publish, fork } = await forkable();
      const last = await publish('room:1');
      await hub.follow(aReader(heard), ['room:4']);
      gaps.push(fork(last, justAfter(last), 'known', 'room:1'));
      hub.gap(gaps[0]!);
      await eventually(() => hub.isOpen);
      gaps[0] = { ...gaps[0]!, lost: ['room:1', 'room:2', 'room:3'] };
      hub.gap(gaps[0]!);
      await eventually(() => hub.isOpen);
      expect(heard).to.deep.equal(['room:1', 'forked room:1', 'forked room:2']);
      gaps[0] = { ...gaps[0]!, lost: [], extent: 'old' };
      hub.gap(gaps[0]!);
      await eventually(() => hub.isOpen);
      expect(heard).to.have.length(3);
      expect(hub.gaps).to.deep.equal(gaps);
    });
  });

  describe('when the store has lost its memory', () => {
    for (const heals of [false, true]) {
      const when = heals ? 'found while it heals' : 'found while all is well';
      it(`tells before what follows, also in a channel that had no message before: ${when}`, async () => {
        const { hub, backlog, source } = aHub();
        const heard: string[] = [];
        const reader = aReader(heard);
        let { born } = await source.mark([]);
        const { mark } = source;
        source.mark = async (channels) => ({ ...(await mark.call(source, channels)), born });
        source.start(hub);
        await eventually(() => hub.isOpen);
        await hub.follow(reader, ['room:1', 'room:2']);
        hub.reborn(born);
        expect(hub.isOpen).to.equal(true);
        const release = heals ? holdMark(source) : () => undefined;
        if (heals) void hub.heal(['room:2']);
        await turn();
        born = justAfter(born);
        hub.reborn(born);
        await backlog.publish([{ channel: 'room:1', data: Buffer.from('first') }]);
        await turn();
        release();
        await eventually(() => hub.isOpen && heard.length === 3);
        expect(heard).to.deep.equal(['flushed room:1', 'flushed room:2', 'first']);
      });
    }
  });

  describe('when the store has lost its memory, and all channels', () => {
    it('tells of it once', async () => {
      const { hub, backlog, source } = aHub();
      const heard: string[] = [];
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(aReader(heard), ['room:1', 'room:2']);
      await backlog.publish([{ channel: 'room:1', data: Buffer.from('1') }]);
      await turn();
      const { mark } = source;
      source.mark = async (channels) => {
        const answer = await mark.call(source, channels);
        return { ...answer, born: answer.position, heads: channels.map(() => BEGINNING) };
      };
      hub.reborn(hub.position);
      await eventually(() => hub.isOpen);
      await hub.heal(['room:1', 'room:2']);
      expect(heard).to.deep.equal(['1', 'flushed room:1', 'flushed room:2']);
    });
  });

  describe('when ids begin anew below those that readers have', () => {
    it('says so, for no reader would get anything any more', async () => {
      let reversals = 0;
      const { hub, source } = aHub({ onReversed: () => reversals++ });
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(silent, ['room:1']);
      expect(reversals).to.equal(0);
      const low = 1000 as Position;
      source.mark = async (channels) => ({ position: low, born: low, gaps: [], heads: channels.map(() => BEGINNING) });
      await hub.heal(undefined);
      expect(hub.position).to.equal(low);
      expect(reversals).to.equal(1);
    });
  });

  describe('when the store has forgotten a channel that is followed', () => {
    const DAY = 86_400_000_000;

    /** A hub that has heard the only message of a channel so many days ago, whose counters have gone since. */
    async function aHubAfter(days: number) {
      const { hub, backlog, source } = aHub();
      const heard: string[] = [];
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(aReader(heard), ['room:1']);
      const [published] = await backlog.publish([{ channel: 'room:1', data: Buffer.from('1') }]);
      const { id } = published!;
      await turn();
      let head = BEGINNING;
      const now = (id + days * DAY) as Position;
      source.mark = async () => ({ position: laterOf(id, head), born: hub.born, gaps: [], heads: [head], now });
      const first = aMessage({
        channel: 'room:1',
        id: (now + 5) as Position,
        revision: 1,
        payload: Buffer.from('first'),
      });
      backlog.read = async () => [{ channel: 'room:1', messages: [first], gap: undefined }];
      const publish = async (): Promise<void> => {
        head = first.id;
        hub.message(first);
        await eventually(() => hub.isOpen);
      };
      return { hub, heard, publish };
    }

    it('is silent where it was long ago, and tells when its revisions begin again', async () => {
      const { hub, heard, publish } = await aHubAfter(0.5);
      await hub.heal(undefined);
      expect(heard).to.deep.equal(['1']);
      await publish();
      expect(heard).to.deep.equal(['1', 'flushed room:1', 'first']);
    });

    it('tells at once where it cannot have been forgotten yet', async () => {
      const { hub, heard } = await aHubAfter(0.2);
      await hub.heal(undefined);
      expect(heard).to.deep.equal(['1', 'flushed room:1']);
    });
  });

  describe('with channels that nobody reads any more', () => {
    async function anIdleHub() {
      let now = 0;
      const made = aHub({ now: () => now });
      const { hub, source } = made;
      const unsubscribed: string[] = [];
      source.unsubscribe = (channels) => void unsubscribed.push(...channels);
      source.start(hub);
      await eventually(() => hub.isOpen);
      await hub.follow(silent, ['room:1']);
      hub.leave(silent, ['room:1']);
      now = 15_000;
      hub.sweep();
      expect(hub.channels).to.equal(1);
      now = 25_000;
      return { ...made, unsubscribed };
    }

    it('lets go of them after a while; while it heals they are still being subscribed', async () => {
      const { hub, source, unsubscribed } = await anIdleHub();
      const release = holdMark(source);
      const healing = hub.heal(undefined);
      hub.sweep();
      expect(hub.channels).to.equal(0);
      expect(unsubscribed).to.deep.equal([]);
      release();
      await healing;
      hub.sweep();
      expect(unsubscribed).to.deep.equal(['room:1']);
    });

    it('goes on hearing one of them that is read again meanwhile', async () => {
      const { hub, source, unsubscribed } = await anIdleHub();
      const release = holdMark(source);
      const healing = hub.heal(undefined);
      hub.sweep();
      const following = hub.follow(silent, ['room:1']);
      release();
      await Promise.all([healing, following]);
      hub.sweep();
      expect(unsubscribed).to.deep.equal([]);
      expect(hub.channels).to.equal(1);
    });

    it('lets go of them also while there is no connection, which takes its subscriptions along', async () => {
      const { hub, unsubscribed } = await anIdleHub();
      hub.down();
      hub.sweep();
      expect(hub.channels).to.equal(0);
      hub.up();
      await eventually(() => hub.isOpen);
      hub.sweep();
      expect(unsubscribed).to.deep.equal([]);
    });
  });
});
