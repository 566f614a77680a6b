import { expect } from 'chai';
import { Flusher } from '../../src/connection/flusher.ts';
import type { Position } from '../../src/message/position.ts';
import { eventually } from '../support/wait.ts';

/** Notes when it was flushed, by the turns of the event loop. */
function recorder(name: string, log: string[]) {
  return { flush: () => log.push(name) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the flusher', () => {
  it('says which messages have been written when the last of their streams has', async () => {
    const log: string[] = [];
    const flusher = new Flusher(undefined, (ids) => log.push(`written ${ids.join(' ')}`));
    const id = (value: number): Position => value as Position;
    flusher.announce(id(1), false);
    flusher.announce(id(2), true);
    for (const name of ['a', 'b']) flusher.add(recorder(name, log), false);
    flusher.announce(id(3), true);
    flusher.add(recorder('urgent', log), true);
    flusher.announce(id(4), false);
    await turn();
    // Nobody waited for the first two.
    expect(log.filter((line) => line !== 'urgent' && line !== 'written 4')).to.eql(['a', 'b', 'written 3']);
    expect(log.indexOf('written 4')).to.equal(log.indexOf('urgent') + 1);
    flusher.add(recorder('c', log), false);
    flusher.announce(id(5), true);
    expect(log.at(-1)).not.to.equal('written 5');
    await eventually(() => log.at(-1) === 'written 5');
    expect(log.at(-2)).to.equal('c');
  });

  it('writes to a crowd at once after a pause', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    flusher.add(recorder('crowd', log), false);
    expect(log).to.eql([]);
    await turn();
    expect(log).to.eql(['crowd']);
  });

  it('lets what follows wait for the next round, and what is urgent not', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    flusher.add(recorder('first', log), false);
    await turn();
    flusher.add(recorder('second', log), false);
    flusher.add(recorder('urgent', log), true);
    await turn();
    expect(log).to.eql(['first', 'urgent']);
    await eventually(() => log.length === 3);
    expect(log[2]).to.equal('second');
  });

  it('does not wait for a round when much is to be written', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    flusher.add(recorder('first', log), false);
    await turn();
    flusher.add(recorder('second', log), false);
    flusher.hurry();
    await turn();
    expect(log).to.eql(['first', 'second']);
  });

  it('writes what is urgent between the slices of a large round', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    const slow = {
      flush: () => {
        const until = performance.now() + 0.2;
        while (performance.now() < until);
        log.push('crowd');
      },
    };
    for (let i = 0; i < 200; i++) flusher.add(slow, false);
    await turn();
    flusher.add(recorder('urgent', log), true);
    await turn();
    expect(log).to.include('urgent');
    expect(log.length).to.be.below(200);
    await eventually(() => log.length === 201);
  });

  it('tells each stream the time, a little late at most', async () => {
    const flusher = new Flusher();
    /** How much this process has worked (ms): what other processes do meanwhile makes nothing late. */
    const worked = (): number => Object.values(process.cpuUsage()).reduce((sum, part) => sum + part) / 1000;
    const late: number[] = [];
    let told = { at: Number.NaN, from: 0 };
    const slow = {
      flush: (now: number) => {
        expect(now).to.be.at.most(performance.now());
        if (now !== told.at) told = { at: now, from: worked() };
        late.push(worked() - told.from);
        const until = worked() + 0.1;
        while (worked() < until);
      },
    };
    for (let i = 0; i < 300; i++) flusher.add(slow, false);
    flusher.add(slow, true);
    await eventually(() => late.length === 301);
    expect(Math.max(...late)).to.be.below(20);
  });

  it('pauses for as long as a long round took, so that others have half of the time', async () => {
    const log: number[] = [];
    const flusher = new Flusher();
    const busy = (milliseconds: number) => ({
      flush: () => {
        const until = performance.now() + milliseconds;
        while (performance.now() < until);
        log.push(performance.now());
      },
    });
    flusher.add(busy(100), false);
    await turn();
    flusher.add(busy(0), false);
    await eventually(() => log.length === 2);
    expect(log[1]! - log[0]!).to.be.above(95);
  });

  it('pauses for no longer where the process has stood still', async () => {
    const flusher = new Flusher();
    const log: string[] = [];
    const standstill = {
      flush: () => {
        const until = performance.now() + 600;
        while (performance.now() < until);
      },
    };
    flusher.add(standstill, false);
    await turn();
    flusher.add(recorder('second', log), false);
    await turn();
    expect(log).to.eql(['second']);
  });
});
