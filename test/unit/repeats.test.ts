import { expect } from 'chai';
import { SisyphusError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { Failures, Repeats } from '../../src/repeats.ts';

describe('what happens again and again', () => {
  let now = 0;

  it('is due at once, and then once a minute with how often it has happened', () => {
    const repeats = new Repeats(() => now);
    const due = Array.from({ length: 130 }, () => {
      now += 1000;
      return repeats.due('text');
    });
    expect(due.filter((times) => times > 0)).to.deep.equal([1, 60, 60]);
    expect(repeats.due('another')).to.equal(1);
  });

  it('is news again after a while, with what happened before and was not said', () => {
    const repeats = new Repeats(() => now);
    expect([repeats.due('text'), repeats.due('text')]).to.deep.equal([1, 0]);
    now += 11_000;
    expect(repeats.due('text')).to.equal(2);
    now += 11_000;
    expect(repeats.due('text')).to.equal(1);
  });

  it('does not fill the memory with texts that are different each time', () => {
    const repeats = new Repeats(() => now);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 200_000; i++) repeats.due(`${i} ${'x'.repeat(200)}`);
    expect(process.memoryUsage().heapUsed - before).to.be.lessThan(50_000_000);
  });

  it('is a mistake with its stack, and for what the store says of itself only something for debugging', () => {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger('debug', { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    const failures = new Failures(logger, () => now);
    for (let i = 0; i < 3; i++) failures.log('heal_failed', new TypeError('no such thing'), { channels: 2 });
    failures.log('heal_failed', new SisyphusError('redis_unavailable', 'Redis did not answer'));
    failures.log('heal_failed', new SisyphusError('bad_channel', 'not expected here'));
    expect(lines.map(({ level, event, reason }) => [level, event, reason])).to.deep.equal([
      ['error', 'heal_failed', undefined],
      ['debug', 'heal_failed', 'Redis did not answer'],
      ['error', 'heal_failed', undefined],
    ]);
    expect(lines[0]).to.have.property('channels', 2);
    expect((lines[0]!.err as { stack: string }).stack).to.contain('repeats.test.ts');
  });
});
