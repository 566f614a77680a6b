import { expect } from 'chai';
import { WriteTimer } from '../../src/connection/write-timer.ts';
import type { Position } from '../../src/message/position.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the time of answers to polls', () => {
  let written: number[][];
  let timer: WriteTimer;

  beforeEach(() => {
    written = [];
    timer = new WriteTimer((ids) => written.push([...ids]));
  });

  it('ends with the last answer, and is taken once for all messages of a turn', async () => {
    const [first, second] = [timer.begin(), timer.begin()];
    timer.announce(1 as Position);
    timer.announce(2 as Position);
    first();
    await turn();
    expect(written).to.deep.equal([]);
    second();
    expect(written).to.deep.equal([[1, 2]]);
  });

  it('is not taken for what nobody polled, or what a poll has found when it began', async () => {
    timer.announce(1 as Position);
    timer.begin()();
    await turn();
    timer.announce(2 as Position);
    expect(written).to.deep.equal([]);
  });

  it('is taken for ten thousand messages of a turn at most', async () => {
    timer.begin()();
    for (let id = 1; id <= 10_001; id++) timer.announce(id as Position);
    await turn();
    expect(written.map(({ length }) => length)).to.deep.equal([10_000]);
  });

  it('does not wait for polls of a later turn', async () => {
    const early = timer.begin();
    timer.announce(1 as Position);
    await turn();
    const late = timer.begin();
    timer.announce(2 as Position);
    early();
    expect(written).to.deep.equal([[1]]);
    late();
    await turn();
    expect(written).to.deep.equal([[1], [2]]);
  });
});
