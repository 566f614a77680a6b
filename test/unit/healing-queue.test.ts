import { expect } from 'chai';
import type { Gap } from '../../src/hub/channel-source.ts';
import { HealingQueue } from '../../src/hub/healing-queue.ts';
import { isMessage } from '../../src/message/message.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';

const MOST = 50_000;

/** Messages with the ids from 1 on. */
const numbered = (count: number) => Array.from({ length: count }, (_, i) => aMessage({ id: (i + 1) as Position }));
const gap: Gap = { reason: 'unrecorded', from: BEGINNING, to: 5 as Position, lost: [] };

describe('what the hub holds back', () => {
  it('keeps its order, gaps among messages', () => {
    const held = new HealingQueue();
    const [first, second] = numbered(2);
    for (const entry of [first!, gap, second!]) held.add(entry);
    expect(held.take()).to.deep.equal([first, gap, second]);
    expect(held.take()).to.deep.equal([]);
  });

  it('gives the messages up to a position, and keeps what is no message', () => {
    const held = new HealingQueue();
    const [first, second] = numbered(2);
    for (const entry of [gap, first!, second!]) held.add(entry);
    expect(held.takeMessages(1 as Position)).to.deep.equal([first]);
    expect(held.take()).to.deep.equal([gap, second]);
  });

  it('keeps every change of rights, however many: no mark has them', () => {
    const held = new HealingQueue();
    const change = { user: '7', change: { before: BEGINNING, now: 5 as Position, changes: undefined } };
    for (let i = 0; i < 2000; i++) held.add(change);
    for (let i = 0; i < 2000; i++) held.add(gap);
    expect(held.take().filter((entry) => 'user' in entry)).to.have.length(2000);
    expect(held.takeOverflow()).to.equal(false);
  });

  it('knows that messages were dropped, once, also where others were taken since', () => {
    const held = new HealingQueue();
    for (const message of numbered(MOST)) held.add(message);
    expect(held.takeOverflow()).to.equal(false);
    held.add(aMessage({ id: (MOST + 1) as Position }));
    expect(held.takeMessages(10 as Position)).to.have.length(10);
    expect(held.take().every(isMessage)).to.equal(true);
    expect(held.takeOverflow()).to.equal(true);
    expect(held.takeOverflow()).to.equal(false);
  });

  it('drops no gap', () => {
    const held = new HealingQueue();
    for (const message of numbered(MOST)) held.add(message);
    held.add(gap);
    expect(held.take().at(-1)).to.equal(gap);
    expect(held.takeOverflow()).to.equal(false);
  });
});
