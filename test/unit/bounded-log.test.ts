import { expect } from 'chai';
import { BoundedLog, type Fields } from '../../src/http/bounded-log.ts';
import { eventually } from '../support/wait.ts';

describe('a log of what strangers cause', () => {
  let now: number;
  let lines: Fields[];
  let log: BoundedLog;

  beforeEach(() => {
    now = 0;
    lines = [];
    log = aLog();
  });

  function aLog(refill?: number): BoundedLog {
    const write = (line: Fields) => void lines.push(line);
    return new BoundedLog(
      { info: write, warn: write } as ConstructorParameters<typeof BoundedLog>[0],
      () => now,
      refill,
    );
  }

  it('has twenty lines at once, then one a second, which counts what was left out', () => {
    for (let i = 0; i < 1000; i++) log.warn({ event: 'a' });
    expect(lines).to.have.length(20);
    now = 1000;
    for (let i = 0; i < 1000; i++) log.info({ event: 'a' });
    expect(lines.slice(20)).to.deep.equal([{ event: 'a', left_out: 980 }]);
    now = 1_000_000;
    for (let i = 0; i < 1000; i++) log.warn({ event: 'a' });
    expect(lines.slice(21)).to.have.length(20);
    expect(lines[21]).to.deep.equal({ event: 'a', left_out: 999 });
    expect(lines[22]).to.deep.equal({ event: 'a' });
  });

  it('keeps the lines of one event for it, whatever the others do', () => {
    for (let i = 0; i < 1000; i++) log.warn({ event: 'a' });
    log.warn({ event: 'b' });
    expect(lines.at(-1)).to.deep.equal({ event: 'b' });
  });

  it('keeps the lines of one error code for it, so that strangers hide nothing of what others do wrong', async () => {
    for (let i = 0; i < 25; i++) log.warn({ event: 'a', code: 'not_found', path: 'x' });
    log.warn({ event: 'a', code: 'bad_channel' });
    expect(lines.at(-1)).to.deep.equal({ event: 'a', code: 'bad_channel' });
    now = 2500;
    await new Promise((resolve) => setTimeout(resolve, 2200));
    expect(lines.at(-1)).to.deep.equal({ event: 'a', code: 'not_found', left_out: 5 });
  });

  it('says what was left out also where nothing follows', async () => {
    const quick = aLog(50);
    for (let i = 0; i < 25; i++) quick.warn({ event: 'a' });
    now = 125;
    await new Promise((resolve) => setTimeout(resolve, 90));
    expect(lines).to.have.length(20);
    await eventually(() => lines.length > 20);
    expect(lines.at(-1)).to.deep.equal({ event: 'a', left_out: 5 });
  });

  it('says the same fact once a minute', () => {
    for (let i = 0; i < 5; i++) log.warnOnce('a fact', { event: 'a' });
    log.warnOnce('another', { event: 'b' });
    now = 59_999;
    log.warnOnce('a fact', { event: 'a' });
    expect(lines).to.have.length(2);
    now = 60_000;
    log.warnOnce('a fact', { event: 'a' });
    expect(lines).to.have.length(3);
    for (let i = 0; i < 100_000; i++) log.warnOnce(`fact ${i}`, { event: 'c' });
    expect(lines.length).to.be.below(25);
  });

  it('says a fact later that there was no room for', () => {
    for (let i = 0; i < 20; i++) log.warn({ event: 'b' });
    log.warnOnce('a fact', { event: 'b' });
    now = 1000;
    log.warnOnce('a fact', { event: 'b' });
    expect(lines.at(-1)).to.deep.equal({ event: 'b', left_out: 1 });
  });
});
