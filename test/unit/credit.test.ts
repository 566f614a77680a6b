import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Credit } from '../../src/connection/credit.ts';
import { eventually } from '../support/wait.ts';

class Reader {
  isOverdrawn = true;
  taken = 0;
  ended = false;
  giveUp(): void {
    this.ended = true;
    this.isOverdrawn = false;
  }
}

const frame = (bytes: number): Buffer => Buffer.alloc(bytes);

describe('credit', () => {
  it('is counted once for a frame that goes to many', () => {
    const credit = new Credit(100, 100, 5);
    const readers = Array.from({ length: 50 }, () => new Reader());
    const shared = frame(60);
    expect(readers.every((reader) => credit.take(reader, shared))).to.equal(true);
    expect(credit.take(new Reader(), frame(60))).to.equal(false);
  });

  it('is bounded for each', () => {
    const credit = new Credit(100, 1000, 5);
    const [one, other] = [new Reader(), new Reader()];
    expect([60, 40, 1].map((bytes) => credit.take(one, frame(bytes)))).to.deep.equal([true, true, false]);
    expect(credit.take(other, frame(60))).to.equal(true);
  });

  it('is there again when what was owed is paid', async () => {
    const credit = new Credit(100, 100, 5);
    const reader = new Reader();
    expect(credit.take(reader, frame(80))).to.equal(true);
    reader.isOverdrawn = false;
    await eventually(() => credit.take(reader, frame(80)));
    expect(reader.ended).to.equal(false);
  });

  it('ends with a reader that reads nothing, sooner than with one that stays behind', async () => {
    const credit = new Credit(100, 100, 5);
    const [stopped, slow, good] = [new Reader(), new Reader(), new Reader()];
    const reading = setInterval(() => slow.taken++, 2);
    try {
      for (const reader of [stopped, slow, good]) credit.watch(reader);
      setTimeout(() => (good.isOverdrawn = false), 20);
      await eventually(() => stopped.ended, 1000);
      expect(slow.ended).to.equal(false);
      await eventually(() => slow.ended, 2000);
      expect(good.ended).to.equal(false);
    } finally {
      clearInterval(reading);
    }
  });

  it('tells when nobody is above their bound, and waits for none that stays there', async () => {
    const credit = new Credit(100, 100, 20);
    await credit.settled();
    const [good, slow] = [new Reader(), new Reader()];
    credit.watch(good);
    let settled = false;
    const settling = credit.settled().then(() => (settled = true));
    await wait(30);
    expect(settled).to.equal(false);
    good.isOverdrawn = false;
    await settling;
    credit.watch(slow);
    await credit.settled();
    expect(slow.ended).to.equal(false);
  });
});
