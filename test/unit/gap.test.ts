import { expect } from 'chai';
import fc from 'fast-check';
import { judgeSlice } from '../../src/backlog/gap.ts';
import type { Message } from '../../src/message/message.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';

const HOUR = 3_600_000;
/** Milliseconds, and the position of that moment. */
const now = 1_795_206_467_000;
const ago = (ms: number): Position => ((now - ms) * 1000) as Position;

/** Messages with these ids, each right behind the one before; the first behind `previous`. */
function chain(ids: Position[], previous: Position = BEGINNING): Message[] {
  return ids.map((id, i) => aMessage({ id, previous: ids[i - 1] ?? previous }));
}

function judge(after: Position, head: Position, entries: Message[]) {
  const { messages, gap } = judgeSlice({ after, head, entries, ttl: HOUR, now });
  return { ids: messages.map(({ id }) => id), gap };
}

describe('what a backlog can prove', () => {
  const [a, b, c] = [ago(3000), ago(2000), ago(1000)] as [Position, Position, Position];

  it('misses nothing where nothing was ever published', () => {
    expect(judge(BEGINNING, BEGINNING, [])).to.deep.equal({ ids: [], gap: undefined });
    expect(judge(a, BEGINNING, [])).to.deep.equal({ ids: [], gap: undefined });
  });

  it('misses nothing where the reader has the last message, whatever is left of it', () => {
    expect(judge(c, c, [])).to.deep.equal({ ids: [], gap: undefined });
    expect(judge(ago(0), c, [])).to.deep.equal({ ids: [], gap: undefined });
  });

  it('misses nothing where the first that is kept stands right behind the reader', () => {
    expect(judge(a, c, chain([b, c], a))).to.deep.equal({ ids: [b, c], gap: undefined });
    expect(judge((a + 1) as Position, c, chain([b, c], a))).to.deep.equal({ ids: [b, c], gap: undefined });
    expect(judge(BEGINNING, c, chain([a, b, c]))).to.deep.equal({ ids: [a, b, c], gap: undefined });
  });

  it('tells that messages were trimmed, and has the rest', () => {
    expect(judge((a - 1) as Position, c, chain([c], b))).to.deep.equal({ ids: [c], gap: 'trimmed' });
    expect(judge(a, c, chain([c], b))).to.deep.equal({ ids: [c], gap: 'trimmed' });
    expect(judge(a, c, [])).to.deep.equal({ ids: [], gap: 'trimmed' });
  });

  it('tells that messages have expired, and replays none that has, kept or not', () => {
    const [old, older] = [ago(HOUR + 1), ago(HOUR + 2)];
    expect(judge(BEGINNING, old, [])).to.deep.equal({ ids: [], gap: 'expired' });
    expect(judge(BEGINNING, old, chain([older, old]))).to.deep.equal({ ids: [], gap: 'expired' });
    expect(judge(BEGINNING, c, chain([older, old, c]))).to.deep.equal({ ids: [c], gap: 'expired' });
  });

  it('misses nothing where what has expired was read', () => {
    const [old, older] = [ago(HOUR + 1), ago(HOUR + 2)];
    expect(judge(old, c, chain([c], old))).to.deep.equal({ ids: [c], gap: undefined });
    expect(judge(old, old, [])).to.deep.equal({ ids: [], gap: undefined });
    expect(judge(older, old, chain([old], older)).gap).to.equal('expired');
  });

  describe('where channels are forgotten', () => {
    const long = ago(10 * HOUR);
    const judgeSince = (after: Position, head: Position, entries: Message[]) =>
      judgeSlice({ after, head, entries, ttl: HOUR, now, knownSince: long }).gap;
    const [before, since] = [(long - 1) as Position, long];

    it('proves nothing for a reader from before that, of a channel of which nothing is known', () => {
      expect(judgeSince(before, BEGINNING, [])).to.equal('expired');
      expect(judgeSince(before, b, chain([a, b]))).to.equal('expired');
    });

    it('is sure of all others: of later readers, of whoever begins, and of channels that are known', () => {
      expect(judgeSince(since, BEGINNING, [])).to.equal(undefined);
      expect(judgeSince(since, b, chain([a, b]))).to.equal(undefined);
      expect(judgeSince(BEGINNING, BEGINNING, [])).to.equal(undefined);
      expect(judgeSince(before, b, chain([a, b], before))).to.equal(undefined);
      expect(judgeSince(before, before, [])).to.equal(undefined);
    });
  });

  it('tells that the channel was lost, where a first message comes after another one', () => {
    const [first] = chain([c], b);
    const { messages, gap } = judgeSlice({ after: a, head: c, entries: [{ ...first!, revision: 1 }], ttl: HOUR, now });
    expect([messages.length, gap]).to.deep.equal([1, 'flushed']);
  });

  describe('where each message replaces the ones before it', () => {
    const gapOfConflated = (after: Position, head: Position, entries: Message[], knownSince?: Position) =>
      judgeSlice({ after, head, entries, ttl: HOUR, now, isConflated: true, ...(knownSince && { knownSince }) }).gap;

    it('misses nothing while a later message is kept', () => {
      const old = ago(HOUR + 1);
      expect(gapOfConflated(a, c, chain([c], b))).to.equal(undefined);
      expect(gapOfConflated(BEGINNING, c, chain([c], old))).to.equal(undefined);
      expect(gapOfConflated(a, b, chain([b]), b)).to.equal(undefined);
    });

    it('misses the newest one if that is gone, and says that the channel was lost', () => {
      const old = ago(HOUR + 1);
      expect(gapOfConflated(a, c, [])).to.equal('trimmed');
      expect(gapOfConflated(BEGINNING, old, chain([old]))).to.equal('expired');
      expect(gapOfConflated(a, BEGINNING, [], b)).to.equal('expired');
      expect(gapOfConflated(a, c, [{ ...chain([c], b)[0]!, revision: 1 }])).to.equal('flushed');
    });
  });

  it('counts a message as kept until its time is over', () => {
    expect(judge(BEGINNING, ago(HOUR), chain([ago(HOUR)]))).to.deep.equal({ ids: [ago(HOUR)], gap: undefined });
  });

  it('for any history: what the reader gets is what it missed, or a gap is told, and never without one', () => {
    fc.assert(property(judge), { numRuns: 2000 });
  });

  const mutants: [string, typeof judge][] = [
    ['is silent', (after, head, entries) => ({ ...judge(after, head, entries), gap: undefined })],
    ['judges by the head alone', (after, head, entries) => judge(after, head, entries.slice(0, 0))],
    [
      'ignores age',
      (after, head, entries) => {
        const { messages, gap } = judgeSlice({ after, head, entries, ttl: 1000 * HOUR, now });
        return { ids: messages.map(({ id }) => id), gap };
      },
    ],
    [
      "wants the first kept to be the reader's own",
      (after, head, entries) => {
        const judged = judge(after, head, entries);
        return { ...judged, gap: entries[0]?.previous === after ? undefined : 'trimmed' };
      },
    ],
    [
      'takes an empty backlog for a quiet channel',
      (after, head, entries) => (entries.length === 0 ? { ids: [], gap: undefined } : judge(after, head, entries)),
    ],
    [
      'calls all that is gone trimmed',
      (after, head, entries) => {
        const judged = judge(after, head, entries);
        return { ...judged, gap: judged.gap && 'trimmed' };
      },
    ],
  ];
  for (const [name, mutant] of mutants) {
    it(`which finds a judge that ${name}`, () => {
      expect(fc.check(property(mutant), { numRuns: 2000, endOnFailure: true }).failed).to.equal(true);
    });
  }
});

/** A channel with messages up to two hours old, trimmed to some length, and a reader anywhere in it. */
function property(judgeIt: typeof judge): fc.IProperty<unknown[]> {
  const ages = fc.uniqueArray(fc.integer({ min: 1, max: 2 * HOUR }), { maxLength: 8 });
  return fc.property(ages, fc.nat(8), fc.integer({ min: 0, max: 2 * HOUR }), fc.nat(8), (found, kept, reader, on) => {
    const all = chain([...found].sort((x, y) => y - x).map(ago));
    // Half of the readers stand on a message, as clients do; the others in between.
    const after = all[on]?.id ?? ago(reader);
    const head = all.at(-1)?.id ?? BEGINNING;
    const entries = all.slice(Math.max(0, all.length - kept)).filter(({ id }) => id > after);
    const missed = all.filter(({ id }) => id > after).map(({ id }) => id);
    const { ids, gap } = judgeIt(after, head, entries);
    const due = entries.map(({ id }) => id).filter((id) => id >= ago(HOUR));
    const gone = missed.filter((id) => !due.includes(id));
    expect(ids).to.deep.equal(due);
    expect(gap === undefined).to.equal(gone.length === 0);
    if (gap) expect(gap).to.equal(gone.some((id) => id >= ago(HOUR)) ? 'trimmed' : 'expired');
  }) as fc.IProperty<unknown[]>;
}
