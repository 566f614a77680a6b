import { expect } from 'chai';
import fc from 'fast-check';
import type { Reading, ReadRequest } from '../../src/backlog/backlog.ts';
import { PAGE_BYTES, PAGE_MESSAGES } from '../../src/backlog/pages.ts';
import { comparePositions, justBefore, type Position } from '../../src/message/position.ts';
import type { Store } from '../../src/store/store.ts';
import { eventually } from '../support/wait.ts';
import { DEFAULTS, LATER, type Open, say } from './store.ts';

/** What was published: `channel:number`, and its id. */
interface Sent {
  text: string;
  channel: string;
  id: Position;
  bytes: number;
}

/** Publishes messages of these sizes, each on the channel of this number. */
export async function publishSizes(store: Store, sizes: { channel: number; bytes: number }[]): Promise<Sent[]> {
  const sent: Sent[] = [];
  for (let at = 0; at < sizes.length; at += 1000) {
    const messages = sizes.slice(at, at + 1000).map(({ channel, bytes }, i) => {
      const text = `${channel}:${at + i} `;
      return { ...say(`room:${channel}`, text.padEnd(bytes, 'x')), label: text };
    });
    const published = await store.backlog.publish(messages);
    for (const [i, { channel, id }] of published.entries()) {
      sent.push({ text: messages[i]!.label, channel, id, bytes: messages[i]!.data.length });
    }
  }
  return sent;
}

/** All pages, which have to be such as they may be; and what was told before each of them. */
export async function readPages(reading: Reading): Promise<{ texts: string[]; gaps: string[]; pages: number }> {
  const texts: string[] = [];
  const gaps: string[] = [];
  let pages = 0;
  let last = 0;
  for (let page = await reading.next(); page; page = await reading.next()) {
    pages++;
    for (const [channel, reason] of page.gaps) gaps.push(`${channel} ${reason} before ${texts.length}`);
    const bytes = page.messages.reduce((sum, { payload }) => sum + payload.length, 0);
    expect(bytes <= PAGE_BYTES || page.messages.length === 1, `${page.messages.length} messages, ${bytes}`).to.equal(
      true,
    );
    expect(page.messages.length).to.be.at.most(PAGE_MESSAGES);
    for (const { id, payload } of page.messages) {
      expect(id).to.be.above(last);
      last = id;
      texts.push(/^\S+ /.exec(payload.toString('latin1', 0, 30))![0]);
    }
  }
  return { texts, gaps, pages };
}

const SIZES = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 3, arbitrary: fc.integer({ min: 300, max: 20_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 300_000 }) },
);

export function pagesContract(open: Open): void {
  describe('reading in pages', () => {
    const many = { backlog: { ...DEFAULTS.backlog, length: 5000 }, maxMessage: 400_000 };

    function since(channels: string[], position: Position, upTo = LATER): ReadRequest[] {
      return channels.map((channel) => ({ channel, after: position, upTo }));
    }

    it('gives everything in the order of ids, whatever the sizes, from any positions on, up to others', async () => {
      const store = await open(many);
      const messages = fc.array(fc.record({ channel: fc.nat(7), bytes: SIZES }), { maxLength: 120 });
      let round = 0;
      await fc.assert(
        fc.asyncProperty(messages, fc.array(fc.nat(120), { minLength: 16, maxLength: 16 }), async (sizes, bounds) => {
          const offset = 8 * round++;
          const sent = await publishSizes(
            store,
            sizes.map(({ channel, bytes }) => ({ channel: channel + offset, bytes })),
          );
          const before = sent[0] ? justBefore(sent[0].id) : LATER;
          const requests = Array.from({ length: 8 }, (_, i) => ({
            channel: `room:${i + offset}`,
            after: bounds[i]! % 3 > 0 ? before : (sent[bounds[i]!]?.id ?? before),
            upTo: bounds[i + 8]! % 3 > 0 ? LATER : (sent[bounds[i + 8]!]?.id ?? LATER),
          }));
          const owed = sent.filter(({ channel, id }) => {
            const request = requests.find((one) => one.channel === channel)!;
            return id > request.after && id <= request.upTo;
          });
          const reading = await store.backlog.open(requests);
          expect([...reading.gaps]).to.deep.equal([]);
          const { texts, gaps } = await readPages(reading);
          expect(texts).to.deep.equal(owed.map(({ text }) => text));
          expect(gaps).to.deep.equal([]);
        }),
        { numRuns: 25 },
      );
    });

    it('gives many small messages of thousands of channels in their order', async () => {
      const store = await open();
      const channels = 3000;
      const sizes = Array.from({ length: 9000 }, (_, i) => ({ channel: (i * 7919) % channels, bytes: 20 }));
      const sent = await publishSizes(store, sizes);
      const names = Array.from({ length: channels + 500 }, (_, i) => `room:${i}`);
      const reading = await store.backlog.open(since(names, justBefore(sent[0]!.id)));
      expect(reading.gaps.size).to.equal(0);
      const { texts } = await readPages(reading);
      expect(texts).to.deep.equal(sent.map(({ text }) => text));
    });

    it('tells all gaps before the first page, and gives what is still kept', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, length: 3 } });
      const channels = 1200;
      const sizes = Array.from({ length: 4 * channels }, (_, i) => ({ channel: i % channels, bytes: 1000 }));
      const sent = await publishSizes(store, sizes);
      const names = Array.from({ length: channels }, (_, i) => `room:${i}`);
      const reading = await store.backlog.open(since(names, justBefore(sent[0]!.id)));
      expect([...reading.gaps]).to.have.deep.members(names.map((name) => [name, 'trimmed']));
      expect((await readPages(reading)).texts).to.deep.equal(sent.slice(channels).map(({ text }) => text));
      // Who has what is gone is told of nothing.
      const next = await store.backlog.open(since(names, sent[channels - 1]!.id));
      expect(next.gaps.size).to.equal(0);
    });

    it('tells of what has expired', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, ttl: 300 } });
      const [first, second] = await publishSizes(store, [
        { channel: 1, bytes: 10 },
        { channel: 1, bytes: 10 },
      ]);
      await eventually(async () => (await store.backlog.open(since(['room:1'], first!.id))).gaps.size > 0);
      const reading = await store.backlog.open(since(['room:1', 'room:2'], first!.id));
      expect([...reading.gaps]).to.deep.equal([['room:1', 'expired']]);
      expect(await reading.next()).to.equal(undefined);
      expect((await store.backlog.open(since(['room:1'], second!.id))).gaps.size).to.equal(0);
    });

    it('gives the last so many of each, up to a position, and tells of no gap', async () => {
      const store = await open({ backlog: { ...DEFAULTS.backlog, length: 60 }, maxMessage: 400_000 });
      const sizes = Array.from({ length: 200 }, (_, i) => ({ channel: i % 3, bytes: i % 10 === 0 ? 200_000 : 100 }));
      const sent = await publishSizes(store, sizes);
      const upTo = sent[189]!.id;
      const requests = [20, 1000, 1].map((last, i) => {
        return { channel: `room:${i}`, after: 0 as Position, upTo, last };
      });
      const kept = sent.slice(20, 190);
      const owed = requests
        .flatMap(({ channel, last }) => kept.filter((one) => one.channel === channel).slice(-last))
        .sort((a, b) => comparePositions(a.id, b.id));
      const reading = await store.backlog.open(requests);
      expect(reading.gaps.size).to.equal(0);
      expect((await readPages(reading)).texts).to.deep.equal(owed.map(({ text }) => text));
    });

    it('ends where nothing is owed, or nothing is asked for', async () => {
      const store = await open();
      for (const channels of [[], ['room:never']]) {
        const reading = await store.backlog.open(since(channels, 0 as Position));
        expect(reading.gaps.size).to.equal(0);
        expect([await reading.next(), await reading.next()]).to.deep.equal([undefined, undefined]);
      }
    });

    it('is withdrawn with its signal', async () => {
      const store = await open(many);
      const sent = await publishSizes(
        store,
        Array.from({ length: 20 }, () => ({ channel: 1, bytes: 100_000 })),
      );
      const gone = new AbortController();
      const reading = await store.backlog.open(since(['room:1'], justBefore(sent[0]!.id)), gone.signal);
      expect((await reading.next())!.messages.length).to.be.below(20);
      gone.abort(new Error('gone'));
      expect(await reading.next().catch(({ message }: Error) => message)).to.equal('gone');
      const opened = store.backlog.open(since(['room:1'], 0 as Position), gone.signal);
      expect(await opened.catch(({ message }: Error) => message)).to.equal('gone');
    });
  });
}
