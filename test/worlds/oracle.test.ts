import { expect } from 'chai';
import type { ResetReason } from '../../src/message/reset.ts';
import type { Moment } from '../support/monitor.ts';
import type { Frame, History, Publication, ReaderHistory, Stream } from './history.ts';
import { judge } from './oracle.ts';

/** What happens takes so long (ms): more than the clocks may differ. */
const TICK = 10;

/** A history made by hand: user 7 may follow room:1 and has one reader, who connects when told to. */
class Tale {
  readonly history: History = {
    world: 'w0x0z',
    publications: [],
    lists: [],
    looks: [],
    readers: [],
    times: [],
    ids: [],
    holes: [],
    given: new Map(),
    waited: () => 0,
    last: new Set(),
    far: false,
    calm: true,
  };
  readonly #reader: ReaderHistory = { name: 'reader', user: '7', streams: [], frames: [] };
  #now = 1000;
  #id = 0;
  #tags = 0;
  readonly #revisions = new Map<string, number>();

  constructor() {
    this.history.readers.push(this.#reader);
    this.lists('room:1');
    this.looks();
  }

  /** The whole list from now on. */
  lists(...channels: string[]): void {
    this.history.lists.push({ user: '7', moment: this.#executed(), atomic: false, channels });
  }

  /** The library changes the list, and publishes the message that tells of it. */
  changes(...channels: string[]): Publication {
    const moment = this.#executed();
    this.history.lists.push({ user: '7', moment, atomic: true, channels });
    return this.script('user:7', moment.step);
  }

  looks(): void {
    this.history.looks.push({ user: '7', moment: this.#executed() });
  }

  plain(channel: string): Publication {
    const place = this.#executed();
    const tag = `T${this.#tags++}T`;
    const publication: Publication = { tag, channel, text: tag, plain: true, place, entries: [] };
    this.history.publications.push(publication);
    return publication;
  }

  script(channel: string, step?: number): Publication {
    const publication = this.plain(channel);
    this.record(publication, step);
    publication.plain = false;
    publication.place = publication.entries[0]!.moment;
    return publication;
  }

  /** What is recorded on the user's channel has the list read for it, in the same step. */
  record(publication: Publication, step?: number): void {
    if (publication.channel === 'user:7') this.history.looks.push({ user: '7', moment: this.#executed(step) });
    const moment = this.#executed(step ?? this.history.looks.at(-1)?.moment.step);
    this.history.ids.push(moment.order);
    const revision = (this.#revisions.get(publication.channel) ?? 0) + 1;
    this.#revisions.set(publication.channel, revision);
    this.#id = moment.at * 1000;
    publication.entries.push({ moment, id: this.#id, revision, text: publication.text });
  }

  /** A plain message, recorded and read. */
  passes(channel: string): Publication {
    const publication = this.plain(channel);
    this.record(publication);
    this.gets(publication);
    return publication;
  }

  connects(from?: number): void {
    const requestedAt = this.#tick();
    const position = from ?? this.#reader.frames.at(-1)?.id;
    const stream: Stream = {
      gateway: 1,
      requestedAt,
      from: position,
      okAt: undefined,
      closedAt: undefined,
      closedBy: undefined,
    };
    this.#reader.streams.push(stream);
    this.looks();
    stream.okAt = this.#frame({ kind: 'ok', id: position ?? this.#id });
  }

  drops(by: 'reader' | 'gateway' = 'reader'): void {
    Object.assign(this.#reader.streams.at(-1)!, { closedAt: this.#tick(), closedBy: by });
  }

  gets({ channel, text, entries }: Publication, change: Partial<Frame> = {}): void {
    const [entry] = entries;
    this.#frame({ kind: 'message', id: entry?.id ?? 0, text, channel, revision: entry?.revision, ...change });
  }

  isReset(channel: string, reason: ResetReason = 'trimmed'): void {
    this.#frame({ kind: 'reset', id: this.#reader.frames.at(-1)?.id ?? 0, channel, reason });
  }

  waits(ms: number): void {
    this.#now += ms;
  }

  /** The gateway gave something to somebody each 20 ms, all the time. */
  isBusy(): void {
    const given = Array.from({ length: this.#now / 20 }, (_, i) => i * 20);
    Object.assign(this.history, { given: new Map([[1, given]]) });
  }

  get verdicts(): string[] {
    return judge(this.history).violations.map(({ kind }) => kind);
  }

  #executed(step?: number): Moment {
    const at = this.#tick();
    const order = this.history.times.push(at) - 1;
    return { order, step: step ?? order, at };
  }

  #frame(frame: Partial<Frame>): number {
    const at = this.#tick();
    this.#reader.frames.push({
      stream: this.#reader.streams.length - 1,
      at,
      kind: 'message',
      id: 0,
      text: '',
      ...frame,
    });
    return at;
  }

  #tick(): number {
    this.#now += TICK;
    return this.#now;
  }
}

describe('the oracle of the worlds', () => {
  let tale: Tale;
  beforeEach(() => {
    tale = new Tale();
  });

  describe('without changes of rights', () => {
    beforeEach(() => tale.connects());

    it('finds nothing where everything came once and in order', () => {
      tale.passes('room:1');
      tale.passes('user:7');
      tale.script('room:2');
      expect(tale.verdicts).to.deep.equal([]);
      expect(judge(tale.history).counts).to.include({ published: 3, deliveries: 2, owed: 2, forbidden: 1, either: 0 });
    });

    it('tells of a message that never came: of the user, of a room, the last one, and over a drop', () => {
      tale.script('user:7');
      tale.passes('room:1');
      tale.script('room:1');
      tale.drops();
      tale.connects();
      tale.script('room:1');
      expect(tale.verdicts).to.deep.equal(['lost', 'lost', 'lost']);
    });

    it('expects what was said last to a user from the readers of that user alone', () => {
      const [room, own] = [tale.script('room:1'), tale.script('user:7')];
      tale.history.last = new Set([room.tag, own.tag]);
      expect(tale.verdicts).to.deep.equal(['lost']);
    });

    it('expects what comes behind the position that the reader began from, and nothing before it', () => {
      const since = new Tale();
      const before = since.script('room:1');
      const after = since.script('room:1');
      since.connects(before.entries[0]!.id);
      expect(since.verdicts).to.deep.equal(['lost']);
      since.gets(after);
      expect(since.verdicts).to.deep.equal([]);
      since.gets(before);
      expect(since.verdicts).to.deep.equal(['out of order']);
    });

    it('accepts a reset in the place of what did not come, and not in another', () => {
      tale.script('room:1');
      tale.isReset('room:1');
      tale.passes('room:1');
      expect(tale.verdicts).to.deep.equal([]);
      expect(judge(tale.history).counts.covered).to.equal(1);
      tale.script('room:1');
      tale.passes('room:1');
      expect(tale.verdicts).to.deep.equal(['lost']);
    });

    it('tells of a plain PUBLISH that was never recorded and of which no reset tells', () => {
      const hole = tale.plain('room:1');
      tale.history.holes.push(hole.place.at);
      expect(tale.verdicts).to.deep.equal(['lost']);
      tale.isReset('room:1', 'unrecorded');
      expect(tale.verdicts).to.deep.equal([]);
    });

    it('tells of what comes twice, to a reader or to the record', () => {
      const message = tale.passes('room:1');
      tale.gets(message);
      expect(tale.verdicts).to.deep.equal(['double']);
      tale.record(tale.passes('room:1'));
      expect(tale.verdicts).to.deep.equal(['double', 'double']);
    });

    it('tells of ids that do not rise, also of control frames', () => {
      const first = tale.script('room:1');
      tale.passes('room:1');
      tale.gets(first);
      expect(tale.verdicts).to.deep.equal(['out of order']);
    });

    it('tells of plain PUBLISHes that were recorded in another order than they were made', () => {
      const [first, second] = [tale.plain('room:1'), tale.plain('user:7')];
      tale.record(second);
      tale.record(first);
      tale.gets(second);
      tale.gets(first);
      expect(tale.verdicts).to.deep.equal(['out of order']);
    });

    it('tells of revisions with a hole', () => {
      tale.passes('room:1');
      tale.passes('room:1').entries[0]!.revision = 3;
      expect(tale.verdicts).to.include('revision');
    });

    it('tells of another text, id, revision or channel than was recorded', () => {
      for (const change of [{ text: 'T0T altered' }, { revision: 7 }, { channel: 'room:2' }]) {
        const other = new Tale();
        other.connects();
        other.gets(other.script('room:1'), change);
        expect(other.verdicts, JSON.stringify(change)).to.deep.equal(['altered']);
      }
      const message = tale.script('room:1');
      tale.gets(message, { id: message.entries[0]!.id + 1 });
      expect(tale.verdicts).to.deep.equal(['altered']);
      const recorded = tale.passes('room:1');
      recorded.entries[0]!.text = 'T1T altered';
      expect(tale.verdicts).to.deep.equal(['altered', 'altered']);
    });

    it('tells of what nobody published, and of a channel that was never the user’s', () => {
      tale.gets(tale.script('room:2'));
      tale.gets(tale.script('room:9'), { text: 'nothing that is known' });
      expect(tale.verdicts).to.deep.equal(['foreign', 'foreign']);
    });

    it('tells of a reset with nothing missing, and of one that comes again on the same stream', () => {
      tale.passes('room:1');
      tale.isReset('room:1');
      expect(tale.verdicts).to.deep.equal(['false alarm']);
      tale.script('room:1');
      tale.isReset('room:1');
      tale.isReset('room:1');
      expect(tale.verdicts).to.deep.equal(['false alarm', 'false alarm']);
    });

    it('accepts a reset of any channel for a hole among plain PUBLISHes, and none without', () => {
      tale.isReset('user:7', 'unrecorded');
      expect(tale.verdicts).to.deep.equal(['false alarm']);
      const another = new Tale();
      another.connects();
      another.history.holes.push(another.history.times.at(-1)!);
      another.isReset('user:7', 'unrecorded');
      expect(another.verdicts).to.deep.equal([]);
    });

    it('tells of what comes late from a gateway that is at work, and of streams that end', () => {
      const message = tale.script('room:1');
      tale.waits(2000);
      tale.gets(message);
      tale.drops('gateway');
      tale.connects();
      tale.history.readers[0]!.streams[1]!.requestedAt -= 1500;
      expect(tale.verdicts, 'it had no processor').to.deep.equal(['ended']);
      tale.isBusy();
      expect(tale.verdicts).to.deep.equal(['late', 'ended', 'late']);
      tale.history.waited = (from, to) => to - from;
      expect(tale.verdicts, 'it waited for a processor').to.deep.equal(['ended']);
      tale.history.waited = () => 0;
      tale.history.calm = false;
      expect(tale.verdicts, 'while something fails').to.deep.equal([]);
    });
  });

  it('a message may wait for the record of what was published before it on the user’s own channel', () => {
    tale.connects();
    const own = tale.plain('user:7');
    const message = tale.script('room:1');
    tale.waits(2000);
    tale.isBusy();
    const late = (): string[] => tale.verdicts.filter((kind) => kind === 'late');
    tale.gets(message);
    expect(late(), 'the record has not come').to.deep.equal(['late']);
    tale.history.readers[0]!.frames.pop();
    tale.record(own);
    tale.gets(message);
    expect(late(), 'the record has come').to.deep.equal([]);
  });

  describe('with changes of rights', () => {
    for (const way of ['plain', 'script', 'one step'] as const) {
      const tell = (): void => {
        if (way === 'plain') tale.passes('user:7');
        else tale.gets(tale.script('user:7'));
      };
      const change = (...channels: string[]): void => {
        if (way === 'one step') tale.gets(tale.changes(...channels));
        else {
          tale.lists(...channels);
          tell();
        }
      };

      it(`revoked (${way}): what was published before is owed on the open stream, what comes after is a leak`, () => {
        tale.connects();
        tale.script('room:1');
        change();
        const after = tale.script('room:1');
        expect(tale.verdicts).to.deep.equal(['lost']);
        tale.gets(after);
        expect(tale.verdicts).to.have.members(['lost', 'leaked']);
      });

      it(`granted (${way}): what was published before is early, what comes after is owed`, () => {
        tale.connects();
        const before = tale.script('room:2');
        change('room:1', 'room:2');
        tale.script('room:2');
        expect(tale.verdicts).to.deep.equal(['lost']);
        tale.gets(before);
        expect(tale.verdicts).to.include('early');
      });

      it(`comes back after a revocation (${way}): nothing of the channel is due, and nothing may come`, () => {
        tale.connects();
        const before = tale.script('room:1');
        tale.drops();
        tale.lists();
        tale.record(tale.plain('user:7'));
        tale.connects();
        tale.gets(tale.history.publications.at(-1)!);
        expect(tale.verdicts).to.deep.equal([]);
        tale.gets(before);
        expect(tale.verdicts).to.include('leaked');
      });
    }

    it('connects at a grant: what was published before it, and heard after it, is early', () => {
      const secret = tale.plain('room:2');
      tale.changes('room:1', 'room:2');
      tale.connects();
      tale.record(secret);
      tale.gets(secret);
      expect(tale.verdicts).to.deep.equal(['early']);
    });

    it('comes back after a revocation: what is recorded only now is judged by its own place', () => {
      const before = tale.plain('room:1');
      tale.changes();
      tale.connects();
      tale.record(before);
      tale.gets(before);
      expect(tale.verdicts).to.deep.equal([]);
    });

    it('granted again while the reader was away: the first stretch may be replayed or not', () => {
      tale.connects();
      const first = tale.script('room:1');
      tale.drops();
      tale.changes();
      tale.changes('room:1');
      tale.connects();
      const own = tale.history.publications.filter(({ channel }) => channel === 'user:7');
      for (const message of own) tale.gets(message);
      expect(tale.verdicts).to.deep.equal([]);
      const other = tale.history.readers[0]!.frames;
      other.splice(-2, 0, {
        ...other.at(-1)!,
        text: first.text,
        id: first.entries[0]!.id,
        channel: 'room:1',
        revision: 1,
      });
      expect(tale.verdicts).to.deep.equal([]);
    });

    it('between the change of the list and its message either is right', () => {
      tale.connects();
      tale.lists();
      const between = tale.script('room:1');
      tale.passes('user:7');
      expect(tale.verdicts).to.deep.equal([]);
      tale.gets(between, { id: between.entries[0]!.id });
      expect(tale.verdicts.filter((kind) => kind !== 'out of order')).to.deep.equal([]);
    });

    /** A message on the user's channel waits to be recorded while the list changes. */
    const whileOneWaits = (between: () => void): Publication => {
      tale.connects();
      const waiting = tale.plain('user:7');
      between();
      const message = tale.plain('room:2');
      tale.lists('room:1', 'room:2');
      const told = tale.plain('user:7');
      for (const publication of [waiting, message, told]) tale.record(publication);
      tale.gets(waiting);
      return message;
    };

    it('either is right from a message on that waited to be recorded when the list changed', () => {
      const message = whileOneWaits(() => undefined);
      tale.gets(message);
      tale.gets(tale.history.publications[2]!);
      expect(tale.verdicts).to.deep.equal([]);
    });

    it('but not where the list was read behind that message, and had not changed', () => {
      const message = whileOneWaits(() => {
        tale.script('room:9');
        tale.looks();
      });
      tale.gets(message);
      tale.gets(tale.history.publications[3]!);
      expect(tale.verdicts).to.deep.equal(['early']);
    });

    it('a reading of the list whose place nobody can tell changes nothing', () => {
      const message = whileOneWaits(() => tale.looks());
      tale.gets(message);
      tale.gets(tale.history.publications[2]!);
      expect(tale.verdicts).to.deep.equal([]);
    });

    /** Revoked and granted again by plain PUBLISHes, of which neither is recorded until both were made. */
    const thereAndBack = (between: () => void): Publication => {
      tale.connects();
      tale.lists();
      const first = tale.plain('user:7');
      between();
      const message = tale.script('room:1');
      tale.lists('room:1');
      const second = tale.plain('user:7');
      tale.gets(message);
      for (const publication of [first, second]) {
        tale.record(publication);
        tale.gets(publication);
      }
      return message;
    };

    it('a change that was undone before anybody read the list may never have been', () => {
      thereAndBack(() => undefined);
      expect(tale.verdicts).to.deep.equal([]);
    });

    it('a change that somebody saw before it was undone counts', () => {
      thereAndBack(() => {
        tale.script('room:9');
        tale.looks();
      });
      expect(tale.verdicts).to.deep.equal(['leaked']);
    });

    it('a change that nobody tells of may count for an open stream or not, and counts for one that is opened later', () => {
      tale.connects();
      tale.lists('room:1', 'room:2');
      tale.script('room:2');
      tale.looks();
      tale.script('room:2');
      expect(tale.verdicts).to.deep.equal([]);
      tale.drops();
      tale.connects();
      tale.script('room:2');
      // What was published after the list had been read, and now.
      expect(tale.verdicts).to.deep.equal(['lost', 'lost']);
    });

    it('what was on the list when it was first read may have been there always', () => {
      const fresh = new Tale();
      fresh.history.looks.length = 0;
      const before = fresh.script('room:1');
      fresh.lists('room:1', 'room:2');
      const early = fresh.script('room:2');
      fresh.connects(before.entries[0]!.id);
      expect(fresh.verdicts).to.deep.equal([]);
      fresh.gets(early);
      expect(fresh.verdicts).to.deep.equal([]);
    });
  });
});
