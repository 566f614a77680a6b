import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { Counters, type Counts } from '../../src/counters.ts';
import { createLogger } from '../../src/logger.ts';
import type { Place } from '../../src/message/place.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import {
  type Failure,
  FencedError,
  type LeaseAnswer,
  type LeaseRequest,
  type PlainListener,
  type PlainMessage,
  type PlainSource,
  type Recorded,
} from '../../src/recorder/plain-source.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { TIMES as USUAL } from '../../src/recorder/times.ts';
import { eventually } from '../support/wait.ts';

/** A Redis of one gateway: what it answers is up to the test, and everything that was asked is kept. */
class FakeSource implements PlainSource {
  listener!: PlainListener;
  readonly asked: string[] = [];
  readonly leases: LeaseRequest[] = [];
  readonly recorded: string[] = [];
  readonly batches: string[][] = [];
  /** With the last message of each batch. */
  readonly counts: number[] = [];
  room: LeaseAnswer['role'] = 'room';
  role: LeaseAnswer['role'] = 'leader';
  place: Place = { id: BEGINNING, number: 0 };
  /** Whether somebody has the lease. */
  isHeld = true;
  holdsAnchors = false;
  failed: Failure[] = [];
  /** What Redis has counted. */
  count = 0;
  /** What happens to a batch, before or after it is recorded. */
  beforeRecord: () => Promise<void> = async () => undefined;
  afterRecord: () => Promise<void> = async () => undefined;
  #id = 1000;
  #last: Place = { id: BEGINNING, number: 0 };

  start(listener: PlainListener): void {
    this.listener = listener;
    listener.up();
  }

  async listen(): Promise<void> {
    this.asked.push('listen');
  }

  async deafen(): Promise<void> {
    this.asked.push('deafen');
  }

  async anchor(name: string): Promise<void> {
    this.asked.push('anchor');
    if (!this.holdsAnchors) this.goBy(name);
  }

  async lease(request: LeaseRequest): Promise<LeaseAnswer> {
    this.asked.push(request.wanted);
    this.leases.push(request);
    const role = request.wanted === 'keep' ? this.role : request.wanted === 'ask' ? this.room : 'spare';
    return { role, place: this.place, isHeld: this.isHeld };
  }

  async record(_name: string, sent: PlainMessage[]): Promise<Recorded> {
    const messages = sent.filter(({ channel }) => channel !== '');
    if (messages.length < sent.length) this.asked.push('settled');
    if (messages.length === 0) return { recorded: 0, skipped: 0, failed: [] };
    this.asked.push('record');
    this.batches.push(messages.map(({ payload }) => payload.toString()));
    this.counts.push(messages.at(-1)!.count.number);
    await this.beforeRecord();
    const before = this.recorded.length;
    for (const { id, number, payload } of messages) {
      if (id < this.#last.id || (id === this.#last.id && number <= this.#last.number)) continue;
      this.#last = { id, number };
      this.recorded.push(payload.toString());
      this.listener.recorded(this.#nextId(), this.#last);
    }
    await this.afterRecord();
    const recorded = this.recorded.length - before;
    return { recorded, skipped: messages.length - recorded, failed: this.failed };
  }

  async close(): Promise<void> {
    this.asked.push('close');
  }

  /** An anchor of this gateway, or of another. */
  goBy(name: string, number = this.count): void {
    this.listener.anchored(this.#nextId(), name, { life: 'life', number });
  }

  hear(...texts: string[]): void {
    this.count += texts.length;
    for (const text of texts) this.listener.plain('room:1', Buffer.from(text));
  }

  times(what: string): number {
    return this.asked.filter((asked) => asked === what).length;
  }

  /** Whoever has the lease has recorded this. */
  recordedByAnother(place: Place): void {
    this.listener.recorded(this.#nextId(), place);
  }

  get name(): string {
    return this.leases.at(-1)!.name;
  }

  get lastId(): Position {
    return (this.#id - 1) as Position;
  }

  #nextId(): Position {
    return this.#id++ as Position;
  }
}

/** The times of the recorder, shorter. */
const TIMES = { ...USUAL, turn: 80, anchor: 220, retire: 1500, heldLately: 1200, spareTurn: 300 };

describe('the recorder', () => {
  let source: FakeSource;
  let counters: Counters;
  let recorder: Recorder;
  beforeEach(() => {
    source = new FakeSource();
    counters = new Counters();
    recorder = new Recorder(source, counters, createLogger('silent'), TIMES);
  });
  afterEach(async () => {
    source.beforeRecord = source.afterRecord = async () => undefined;
    await recorder.stop();
  });

  const counted = (): Counts['recorder'] => counters.snapshot().recorder;

  async function lead(): Promise<void> {
    recorder.start();
    await eventually(() => recorder.role === 'leader');
  }

  async function standBy(): Promise<void> {
    source.role = 'standby';
    recorder.start();
    await eventually(() => source.times('keep') > 0);
    await pause(0); // the answer is there
  }

  const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

  describe('that has the lease', () => {
    it('says when it begins to lead that everything before is recorded: who asked sooner was heard by nobody', async () => {
      await standBy();
      source.hear('a');
      source.role = 'leader';
      await eventually(() => recorder.role === 'leader');
      await eventually(() => source.times('settled') === 1);
      expect(source.recorded).to.deep.equal(['a']);
      expect(source.asked.lastIndexOf('anchor'), 'behind its own place').to.be.below(source.asked.indexOf('settled'));
    });

    it('records what it hears, in order, one batch after the other', async () => {
      expect(recorder.role).to.equal('unknown');
      expect(recorder.isRecording).to.equal(false);
      await lead();
      expect(recorder.isRecording).to.equal(true);
      source.afterRecord = () => pause(5);
      for (let i = 0; i < 600; i += 20) {
        source.hear(...count(i, i + 20));
        await pause(1);
      }
      await eventually(() => source.recorded.length === 600);
      expect(source.recorded).to.deep.equal(count(0, 600));
      expect(source.batches.flat()).to.deep.equal(count(0, 600));
      // The answer to the last batch comes behind what it recorded.
      await eventually(() => counted().recorded === 600);
      expect(counted()).to.deep.equal({ recorded: 600, unrecordable: 0, fenced: 0, changes: 1 });
    });

    it('records at once what comes after a pause, and together what comes close behind it', async () => {
      await lead();
      // A machine that is busy may be late; one round in which it is not shows it.
      await eventually(async () => {
        source.batches.length = 0;
        source.hear('first');
        expect(source.batches).to.deep.equal([['first']]);
        await eventually(() => counted().recorded % 4 === 1, 1000, 0);
        source.hear('a');
        source.hear('b', 'c');
        await eventually(() => counted().recorded % 4 === 0);
        await pause(20);
        return source.batches.length === 2;
      });
      expect(source.batches).to.deep.equal([['first'], ['a', 'b', 'c']]);
    });

    it('records no name that is none, and not what Redis says to itself', async () => {
      await lead();
      for (const channel of ['a b', 'sisyphus:x', '__redis__:invalidate', '__sentinel__:hello', 'room:1']) {
        source.listener.plain(channel, Buffer.from(channel));
      }
      await eventually(() => source.recorded.length > 0);
      expect(source.batches).to.deep.equal([['room:1']]);
    });

    it('says up to where all is recorded, and nothing of the kind while it owes', async () => {
      await lead();
      await eventually(() => source.leases.at(-1)!.upTo);
      source.beforeRecord = () => Promise.reject(new Error('OOM'));
      source.hear('owed');
      const keeps = source.times('keep');
      await eventually(() => source.times('keep') > keeps + 1);
      expect(source.leases.at(-1)!.upTo).to.equal(undefined);
    });

    it('does not count what it hears once that was more than Redis has counted, in this period and the next', async () => {
      await lead();
      source.hear('counted');
      source.listener.plain('room:1', Buffer.from('by no PUBLISH'));
      source.goBy('another');
      source.hear('not counted on');
      await eventually(() => source.counts.length > 0 && source.recorded.length === 3);
      expect(source.counts.at(-1)).to.equal(1);
      source.listener.down();
      source.listener.up();
      await eventually(() => source.times('listen') === 2 && recorder.role === 'leader');
      source.hear('in the next period');
      await eventually(() => source.recorded.length === 4);
      expect(source.counts.at(-1)).to.equal(2);
    });

    it('sends a batch again whose answer was lost, until it has one', async () => {
      await lead();
      let lost = 2;
      source.afterRecord = async () => {
        if (lost-- > 0) throw new Error('Command timed out');
      };
      source.hear('a');
      source.hear('b', 'c');
      await eventually(() => source.batches.length === 3);
      source.hear('d');
      await eventually(() => source.recorded.length === 4);
      expect(source.recorded).to.deep.equal(['a', 'b', 'c', 'd']);
      expect(source.batches.map(([first]) => first)).to.deep.equal(['a', 'a', 'a', 'd']);
      await eventually(() => counted().recorded >= 4);
      expect(counted().recorded, 'also what was recorded before an answer that was lost').to.equal(4);
    });

    it('stops where its record is refused because another has the lease, and forgets what that one has recorded', async () => {
      await lead();
      source.role = 'standby';
      source.beforeRecord = () => Promise.reject(new FencedError('FENCED another gateway records now'));
      source.hear('a', 'b');
      await eventually(() => recorder.role === 'standby');
      expect(counted().fenced).to.equal(1);
      source.hear('c');
      await eventually(() => source.times('keep') > 3);
      expect(source.times('record')).to.equal(1);
      const [a, b] = [1, 2].map((number) => ({ id: 1001 as Position, number }));
      source.recordedByAnother(a!);
      source.recordedByAnother(b!);
      source.beforeRecord = async () => undefined;
      source.role = 'leader';
      await eventually(() => source.recorded.length > 0);
      expect(source.recorded).to.deep.equal(['c']);
    });

    it('is fenced off once where it learns that another has it while a record is under way', async () => {
      await lead();
      source.beforeRecord = async () => {
        await eventually(() => recorder.role === 'standby');
        throw new FencedError('FENCED another gateway records now');
      };
      source.hear('a');
      await eventually(() => source.times('record') === 1);
      source.role = 'standby';
      await eventually(() => recorder.role === 'standby');
      await pause(50); // the record is refused
      expect(counted().fenced).to.equal(1);
    });

    it('stops where it learns that another has it', async () => {
      await lead();
      source.role = 'standby';
      await eventually(() => recorder.role === 'standby');
      source.hear('a');
      await pause(20);
      expect(source.times('record')).to.equal(0);
      expect(counted().fenced).to.equal(1);
    });
  });

  describe('that stands by', () => {
    it('records nothing, and what is unconfirmed once it has the lease', async () => {
      await standBy();
      source.hear('a', 'b', 'c');
      source.recordedByAnother({ id: 1000 as Position, number: 1 });
      expect(recorder.role).to.equal('standby');
      expect(source.times('record')).to.equal(0);
      source.role = 'leader';
      await eventually(() => source.recorded.length === 2);
      expect(source.recorded).to.deep.equal(['b', 'c']);
    });

    it('looks at once when the lease is given back', async () => {
      await standBy();
      source.role = 'leader';
      const keeps = source.times('keep');
      source.listener.released();
      expect(source.times('keep')).to.equal(keeps + 1);
    });

    it('looks once more, and no more than that, however often it is said meanwhile that the lease was given back', async () => {
      await standBy();
      const keeps = source.times('keep');
      for (let i = 0; i < 100; i++) source.listener.released();
      await pause(50);
      expect(source.times('keep') - keeps).to.be.within(2, 3);
    });

    it('waits, elected, for its own anchor: all that was recorded before has gone by then', async () => {
      await standBy();
      source.holdsAnchors = true;
      source.role = 'leader';
      source.place = { id: 1000 as Position, number: 2 };
      source.hear('recorded', 'recorded, and not heard yet', 'unrecorded');
      source.listener.released();
      await eventually(() => source.times('anchor') > 1);
      source.goBy('another');
      source.hear('later');
      source.recordedByAnother({ id: 1000 as Position, number: 1 });
      await pause(300);
      expect(source.times('record')).to.equal(0);
      expect(recorder.role).to.equal('standby');
      source.goBy(source.name);
      await eventually(() => recorder.role === 'leader');
      await eventually(() => source.recorded.length === 2);
      expect(source.batches).to.deep.equal([['unrecorded', 'later']]);
    });

    it('is elected when its connection is lost: it records what it has heard, and gives the lease back', async () => {
      await standBy();
      source.holdsAnchors = true;
      source.role = 'leader';
      source.hear('heard');
      source.listener.released();
      await eventually(() => source.times('anchor') > 1);
      source.listener.down();
      await eventually(() => source.times('release') === 1);
      expect(source.recorded).to.deep.equal(['heard']);
      expect(source.asked.lastIndexOf('record')).to.be.below(source.asked.indexOf('release'));
    });

    it('begins anew, once, where more is unconfirmed than it bears', async function () {
      this.timeout(20_000);
      await standBy();
      const { name } = source;
      const payload = Buffer.from('x');
      for (let i = 0; i < 200_000; i++) source.listener.plain('room:1', payload);
      expect(source.times('leave')).to.equal(0);
      for (let i = 0; i < 1000; i++) source.listener.plain('room:1', payload);
      await eventually(() => source.times('leave') === 1 && source.times('listen') === 2);
      await eventually(() => source.leases.some((lease) => lease.name !== name && lease.wanted === 'keep'));
      source.role = 'leader';
      source.hear('after it');
      await eventually(() => source.recorded.length > 0);
      expect(source.recorded).to.deep.equal(['after it']);
      expect([source.times('leave'), source.times('listen'), source.times('ask')]).to.deep.equal([1, 2, 2]);
    });

    it('in vain listens no longer', async () => {
      source.role = 'spare';
      recorder.start();
      await eventually(() => recorder.role === 'spare');
      expect(source.asked).to.deep.equal(['ask', 'listen', 'anchor', 'keep', 'deafen']);
      expect(source.times('leave')).to.equal(0);
    });
  });

  describe('that has seen nobody renew the lease for a while', () => {
    it('does not know who records, whatever its own role is', async () => {
      source.role = 'standby';
      source.isHeld = false;
      recorder.start();
      await eventually(() => source.times('keep') > 1);
      expect(recorder.isRecording).to.equal(false);
      source.isHeld = true;
      await eventually(() => recorder.isRecording);
      expect(recorder.role).to.equal('standby');
      source.isHeld = false;
      await pause(TIMES.heldLately - 500);
      expect(recorder.isRecording, 'the lease may be between two owners').to.equal(true);
      await eventually(() => !recorder.isRecording, 1500);
      expect(recorder.role).to.equal('standby');
    });
  });

  describe('that is not needed', () => {
    it('does not listen until there is room', async () => {
      source.room = 'spare';
      recorder.start();
      await eventually(() => recorder.role === 'spare');
      await eventually(() => source.times('ask') > 1);
      expect(source.asked.filter((asked) => asked !== 'ask')).to.deep.equal([]);
      source.room = 'room';
      await eventually(() => recorder.role === 'leader');
      expect(source.times('listen')).to.equal(1);
    });
  });

  describe('whose connection is lost', () => {
    it('records the rest as the owner, gives the lease back once, and begins again behind that', async () => {
      await lead();
      const { name } = source;
      let failing = 3;
      source.beforeRecord = async () => {
        if (failing-- > 0) throw new Error('no connection');
      };
      source.hear('a', 'b');
      source.listener.down();
      source.listener.up();
      await eventually(() => source.times('release') === 1);
      expect(source.recorded).to.deep.equal(['a', 'b']);
      expect(source.leases.find(({ wanted }) => wanted === 'release')).to.include({ name, again: true });
      await eventually(() => source.times('listen') === 2);
      await eventually(() => recorder.role === 'leader');
      const asked = source.asked.join(' ');
      expect(asked).to.match(/record release ask listen anchor keep/);
      const taken = source.leases.at(-1)!;
      expect(taken.name).not.to.equal(name);
      expect(taken.from).to.be.above(source.leases[1]!.from);
      source.hear('c');
      await eventually(() => source.recorded.length === 3);
      expect(source.times('release')).to.equal(1);
    });

    it('does not give the lease back while it owes: where it cannot record, it lets it run out', async function () {
      this.slow(6000);
      await lead();
      const { name } = source;
      source.beforeRecord = () => Promise.reject(new Error('OOM'));
      source.hear('owed');
      source.listener.down();
      source.listener.up();
      const tried = source.times('record');
      await eventually(() => source.times('record') > tried + 6);
      expect(source.times('listen'), 'still ending').to.equal(1);
      // After a while it is of more use hearing again.
      await eventually(() => source.times('listen') === 2, TIMES.retire + 3000);
      await eventually(() => source.leases.some((lease) => lease.name !== name && lease.wanted === 'keep'));
      expect(source.times('release')).to.equal(0);
      const last = source.leases.findLastIndex((lease) => lease.name === name);
      const first = source.leases.findIndex((lease) => lease.name !== name);
      expect(last, 'it renews the lease no longer').to.be.below(first);
      expect(source.recorded).to.deep.equal([]);
    });

    it('as a standby, stands by no longer, and does not trust what it had queued', async () => {
      await standBy();
      source.hear('before the hole');
      source.listener.down();
      await eventually(() => source.times('leave') === 1);
      source.listener.up();
      await eventually(() => source.times('listen') === 2);
      source.role = 'leader';
      await eventually(() => recorder.role === 'leader');
      source.hear('after the hole');
      await eventually(() => source.recorded.length > 0);
      expect(source.recorded).to.deep.equal(['after the hole']);
    });
  });

  describe('that is stopped', () => {
    it('records what is queued, and gives the lease back, once', async () => {
      await lead();
      let failing = 1;
      source.beforeRecord = async () => {
        if (failing-- > 0) throw new Error('no connection');
      };
      source.hear('a', 'b');
      await Promise.all([recorder.stop(), recorder.stop()]);
      expect(source.recorded).to.deep.equal(['a', 'b']);
      expect(source.asked.slice(-2)).to.deep.equal(['release', 'close']);
      // Up to where it has recorded everything, so that who comes next knows whether it has missed anything.
      expect(source.leases.at(-1)).to.include({ wanted: 'release', again: false });
      expect(source.leases.at(-1)!.upTo).to.include({ id: source.lastId, number: 0 });
      source.listener.down();
      source.listener.up();
      await recorder.stop();
      const asked = source.asked.length;
      await pause(300);
      expect(source.asked.length, 'nothing is asked any more').to.equal(asked);
      expect([source.times('release'), source.times('close')]).to.deep.equal([1, 1]);
    });

    it('while its connection is lost ends only once', async () => {
      await lead();
      source.beforeRecord = () => pause(50);
      source.hear('a');
      source.listener.down();
      await recorder.stop();
      expect(source.recorded).to.deep.equal(['a']);
      expect([source.times('release'), source.times('close')]).to.deep.equal([1, 1]);
    });
  });
});
