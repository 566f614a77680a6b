import { expect } from 'chai';
import { judge } from './judge.ts';
import { type Frame, Ledger, type Publication } from './ledger.ts';
import { NEVER } from './truth.ts';

/** A little story: one reader of user 7, who may follow room:1; ids are told in tens. */
class Story {
  readonly ledger = new Ledger('story', 1);
  #time = 0;
  #sequence = 0;
  #stream = 0;

  constructor() {
    this.ledger.rights.set('7', ['room:1']);
    this.ledger.readers.push({ name: 'r1', user: '7' });
    this.ledger.recorded = [];
    this.ledger.crossing = 0;
    this.opens(0);
  }

  opens(position: number, reader = 'r1'): void {
    const lastEventId = this.#stream === 0 ? undefined : String(position);
    const at = this.#tick();
    this.ledger.streams.push({
      reader,
      stream: this.#stream,
      gateway: 'g1',
      requestedAt: at,
      lastEventId,
      closedAt: undefined,
    });
    this.#stream++;
    this.gets({ kind: 'ok', id: position, reader });
  }

  publishes(text: string, change: Partial<Publication> = {}): Publication {
    const sentAt = this.#tick();
    const publication: Publication = {
      publisher: 'p1',
      connection: 1,
      sequence: this.#sequence++,
      way: 'plain',
      channel: 'room:1',
      text,
      sentAt,
      settledAt: this.#tick(),
      outcome: 'acknowledged',
      ...change,
    };
    this.ledger.publications.push(publication);
    return publication;
  }

  records(id: number, text: string, channel = 'room:1'): void {
    const recorded = this.ledger.recorded ?? [];
    const revision = recorded.filter((one) => one.channel === channel).length + 1;
    recorded.push({ id, channel, text, revision, plain: true });
  }

  gets(frame: Partial<Frame>): void {
    const at = this.#tick();
    this.ledger.frames.push({
      reader: 'r1',
      stream: Math.max(this.#stream - 1, 0),
      at,
      kind: 'message',
      id: 0,
      ...frame,
    });
  }

  got(id: number, text: string, channel = 'room:1'): void {
    this.gets({ id, text, channel });
  }

  resets(id: number, reason: Frame['reason'] = 'trimmed', channel = 'room:1'): void {
    this.gets({ kind: 'reset', id, channel, ...(reason && { reason }) });
  }

  /** Published, recorded and received. */
  passes(id: number, text: string): void {
    this.publishes(text);
    this.records(id, text);
    this.got(id, text);
  }

  rules(): string[] {
    return judge(this.ledger).violations.map(({ rule }) => rule);
  }

  #tick(): number {
    return ++this.#time;
  }
}

describe('the judge of the fault suite', () => {
  let story: Story;
  beforeEach(() => {
    story = new Story();
  });

  it('finds nothing where everything came once and in order', () => {
    story.passes(10, 'a');
    story.passes(20, 'b');
    expect(story.rules()).to.deep.equal([]);
  });

  it('tells of a message that a reader never got', () => {
    story.passes(10, 'a');
    story.publishes('b');
    story.records(20, 'b');
    story.passes(30, 'c');
    expect(story.rules()).to.deep.equal(['lost']);
  });

  it('tells of a message that is missing at the very end', () => {
    story.publishes('a');
    story.records(10, 'a');
    expect(story.rules()).to.deep.equal(['lost']);
  });

  it('tells of an acknowledged message that was never recorded', () => {
    story.publishes('a');
    expect(story.rules()).to.deep.equal(['lost', 'lost']);
  });

  it('tells of a message whose id was told and that is gone from the record', () => {
    story.publishes('a', { way: 'fcall', id: 10, channel: 'room:2' });
    expect(story.rules()).to.deep.equal(['lost']);
  });

  it('does not expect what nobody heard, what was refused, or what may not have happened', () => {
    story.publishes('a', { receivers: 0 });
    story.publishes('b', { outcome: 'refused' });
    story.publishes('c', { outcome: 'unknown', settledAt: NEVER });
    expect(story.rules()).to.deep.equal([]);
  });

  it('accepts that what may have happened did', () => {
    story.publishes('c', { outcome: 'unknown', settledAt: NEVER });
    story.records(10, 'c');
    story.got(10, 'c');
    expect(story.rules()).to.deep.equal([]);
  });

  it('tells of what was refused and is there', () => {
    story.publishes('a', { outcome: 'refused' });
    story.records(10, 'a');
    story.got(10, 'a');
    expect(story.rules()).to.deep.equal(['refused but there']);
  });

  it('tells of what nobody published', () => {
    story.records(10, 'a');
    story.got(10, 'a');
    expect(story.rules()).to.deep.equal(['invented']);
  });

  it('tells of one id received twice', () => {
    story.passes(10, 'a');
    story.got(10, 'a');
    expect(story.rules()).to.deep.equal(['double']);
  });

  it('tells of one publish recorded twice', () => {
    story.passes(10, 'a');
    story.records(20, 'a');
    story.got(20, 'a');
    expect(story.rules()).to.deep.equal(['double']);
  });

  it('tells of one publish recorded twice whose first id was told', () => {
    story.publishes('a', { way: 'http', id: 10 });
    for (const id of [10, 20]) {
      story.records(id, 'a');
      story.got(id, 'a');
    }
    expect(story.rules()).to.deep.equal(['double']);
  });

  it('counts identical texts', () => {
    story.passes(10, 'same');
    story.passes(20, 'same');
    expect(story.rules()).to.deep.equal([]);
    story.publishes('same');
    expect(story.rules()).to.deep.equal(['lost', 'lost']);
  });

  it('tells of ids that fall', () => {
    story.publishes('a', { publisher: 'p1' });
    story.publishes('b', { publisher: 'p2' });
    story.records(10, 'a');
    story.records(20, 'b');
    story.got(20, 'b');
    story.got(10, 'a');
    expect(story.rules()).to.include('order');
  });

  it('tells of a publisher whose order was turned round', () => {
    story.publishes('a');
    story.publishes('b');
    for (const [id, text] of [
      [10, 'b'],
      [20, 'a'],
    ] as const) {
      story.records(id, text);
      story.got(id, text);
    }
    expect(story.rules()).to.deep.equal(['order']);
  });

  it('tells of a hole in the revisions', () => {
    story.passes(10, 'a');
    story.ledger.recorded?.push({ channel: 'room:1', id: 20, revision: 3, text: 'b', plain: true });
    story.publishes('b');
    story.got(20, 'b');
    expect(story.rules()).to.deep.equal(['order']);
  });

  it('tells of readers who disagree', () => {
    story.passes(10, 'a');
    story.ledger.readers.push({ name: 'r2', user: '7' });
    story.opens(0, 'r2');
    story.gets({ reader: 'r2', id: 10, text: 'b', channel: 'room:1' });
    expect(story.rules()).to.include('disagreement');
  });

  it('tells of a control frame that goes back behind a message', () => {
    story.passes(10, 'a');
    story.gets({ kind: 'noop', id: 5 });
    expect(story.rules()).to.deep.equal(['order']);
  });

  it('tells of a position that ran ahead of a message', () => {
    story.gets({ kind: 'noop', id: 15 });
    story.passes(10, 'a');
    expect(story.rules()).to.deep.equal(['order']);
  });

  it('knows the channel of a raw message by its id', () => {
    story.publishes('a');
    story.records(10, 'a');
    story.gets({ id: 10, text: 'a' });
    expect(story.rules()).to.deep.equal([]);
  });

  describe('on resets', () => {
    it('takes one in the place of what is missing', () => {
      story.passes(10, 'a');
      story.publishes('b');
      story.records(20, 'b');
      story.opens(10);
      story.resets(10);
      story.passes(30, 'c');
      expect(story.rules()).to.deep.equal([]);
    });

    it('does not take one that stands elsewhere', () => {
      story.passes(10, 'a');
      story.publishes('b');
      story.records(20, 'b');
      story.passes(30, 'c');
      story.resets(30);
      expect(story.rules()).to.have.members(['lost', 'false reset']);
    });

    it('does not take one of another channel', () => {
      story.publishes('b');
      story.records(20, 'b');
      story.resets(0, 'trimmed', 'user:7');
      expect(story.rules()).to.have.members(['lost', 'false reset']);
    });

    it('tells of one where nothing is missing', () => {
      story.passes(10, 'a');
      story.resets(10);
      story.passes(20, 'b');
      expect(story.rules()).to.deep.equal(['false reset']);
    });

    it('takes one that tells of what was acknowledged and never recorded, and wants it', () => {
      story.ledger.licences.push({ reason: 'unrecorded', from: 0 });
      story.publishes('a');
      expect(story.rules()).to.deep.equal(['lost']);
      story.resets(0, 'unrecorded');
      expect(story.rules()).to.deep.equal([]);
    });

    it('takes one of any channel for what nobody could hear, and wants none', () => {
      story.publishes('a', { receivers: 0, channel: 'room:2' });
      expect(story.rules()).to.deep.equal([]);
      story.resets(0, 'unrecorded');
      expect(story.rules()).to.deep.equal([]);
      story.resets(0, 'unrecorded');
      expect(story.rules()).to.deep.equal(['false reset']);
    });

    it('takes one a stream and channel where a fault entitles to it', () => {
      story.ledger.licences.push({ reason: 'flushed', from: 0 });
      story.resets(0, 'flushed');
      expect(story.rules()).to.deep.equal([]);
      story.resets(0, 'flushed');
      expect(story.rules()).to.deep.equal(['false reset']);
    });
  });

  describe('on rights', () => {
    const change = (kind: 'grant' | 'revoke', beganAt: number): Partial<Publication> => ({
      channel: 'user:7',
      rights: { user: '7', channel: kind === 'grant' ? 'room:2' : 'room:1', change: kind, beganAt, atomic: true },
    });

    function changes(id: number, kind: 'grant' | 'revoke', more: Partial<Publication> = {}): Publication {
      const publication = story.publishes(kind, { ...change(kind, 0), ...more });
      publication.rights!.beganAt = publication.sentAt;
      story.records(id, kind, 'user:7');
      story.got(id, kind, 'user:7');
      return publication;
    }

    it('tells of a message that came after the revocation', () => {
      changes(10, 'revoke');
      story.passes(20, 'a');
      expect(story.rules()).to.deep.equal(['leak']);
    });

    it('wants what was published before the revocation', () => {
      story.publishes('a');
      story.records(10, 'a');
      changes(20, 'revoke');
      expect(story.rules()).to.deep.equal(['cut short']);
    });

    it('does not want it from a stream that was opened after the revocation', () => {
      story.publishes('a');
      story.records(10, 'a');
      const { id: _, ...revoke } = story.publishes('revoke', change('revoke', 5));
      expect(revoke.rights?.change).to.equal('revoke');
      story.records(20, 'revoke', 'user:7');
      story.opens(0);
      story.got(20, 'revoke', 'user:7');
      expect(story.rules()).to.deep.equal([]);
    });

    it('wants what was published after the grant, and nothing from before it', () => {
      story.publishes('early', { channel: 'room:2' });
      story.records(10, 'early', 'room:2');
      changes(20, 'grant');
      story.publishes('late', { channel: 'room:2' });
      story.records(30, 'late', 'room:2');
      expect(story.rules()).to.deep.equal(['lost']);
      story.got(30, 'late', 'room:2');
      expect(story.rules()).to.deep.equal([]);
      const early = story.ledger.frames.findIndex(({ text }) => text === 'grant');
      story.ledger.frames.splice(early, 0, {
        ...story.ledger.frames[early]!,
        id: 10,
        text: 'early',
        channel: 'room:2',
      });
      expect(story.rules()).to.deep.equal(['early']);
    });

    it('takes either where a message and the change crossed', () => {
      const revoke = changes(10, 'revoke');
      const crossing = story.publishes('a', { publisher: 'p2', sentAt: revoke.sentAt, settledAt: revoke.settledAt });
      story.records(20, 'a');
      expect(crossing.sentAt).to.equal(revoke.sentAt);
      expect(story.rules()).to.deep.equal([]);
      story.got(20, 'a');
      expect(story.rules()).to.deep.equal([]);
    });

    it('goes by the order of a connection where times cross', () => {
      const revoke = changes(10, 'revoke');
      story.publishes('a', { sentAt: revoke.sentAt, settledAt: revoke.settledAt });
      story.records(20, 'a');
      story.got(20, 'a');
      expect(story.rules()).to.deep.equal(['leak']);
    });

    it('takes a message that came too early, or was cut short, close to a change that had to be found by reading', () => {
      story.ledger.crossing = 100;
      story.publishes('a');
      story.records(10, 'a');
      changes(20, 'revoke');
      expect(story.rules()).to.deep.equal([]);
    });

    it('tells of a channel that never was the user’s', () => {
      story.publishes('a', { channel: 'room:9' });
      story.records(10, 'a', 'room:9');
      story.got(10, 'a', 'room:9');
      expect(story.rules()).to.deep.equal(['leak']);
    });
  });
});
