import { expect } from 'chai';
import fc from 'fast-check';
import {
  BEGINNING,
  comparePositions,
  formatPosition,
  isAfter,
  justAfter,
  justBefore,
  laterOf,
  type Position,
  parsePosition,
  positionBefore,
} from '../../src/message/position.ts';
import { positions } from '../support/messages.ts';

describe('a position', () => {
  it('comes back from the wire as it went', () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(parsePosition(formatPosition(position))).to.equal(position);
      }),
    );
    expect(parsePosition(formatPosition(BEGINNING))).to.equal(BEGINNING);
  });

  it('is on the wire at most 128 bytes that need no preflight', () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(formatPosition(position)).to.match(/^[A-Za-z0-9._~-]{1,128}$/);
      }),
    );
  });

  it('is not read from what is none', () => {
    const none = [
      '',
      ' ',
      '-1',
      '+1',
      '1.0',
      '1e3',
      '0x1',
      ' 1',
      '1 ',
      '1\n',
      '１',
      '١',
      'NaN',
      '1_0',
      '1,2',
      '\0',
      '%31',
    ];
    for (const text of [
      ...none,
      '9007199254740992',
      '9999999999999999',
      '1'.repeat(17),
      '0'.repeat(17),
      '1'.repeat(10_000),
    ]) {
      expect(parsePosition(text), text.slice(0, 40)).to.equal(undefined);
    }
  });

  it('is read from any text at once, and exactly or not at all', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[0-9]{0,20}$/)), (text) => {
        const position = parsePosition(text);
        if (position !== undefined) expect(BigInt(text)).to.equal(BigInt(position));
      }),
    );
  });

  it('is before or after another', () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        expect(isAfter(a, b)).to.equal(comparePositions(a, b) > 0);
        expect(isAfter(a, a)).to.equal(false);
        expect(laterOf(a, b)).to.equal(isAfter(b, a) ? b : a);
        expect(isAfter(a, justBefore(a))).to.equal(true);
        expect(isAfter(justAfter(a), a)).to.equal(true);
        expect(isAfter(a, BEGINNING)).to.equal(true);
      }),
    );
    expect(justBefore(BEGINNING)).to.equal(BEGINNING);
  });

  it('can be told from the time of day', () => {
    expect(positionBefore(1000, 1_795_206_467_123)).to.equal(1_795_206_466_123_000 as Position);
    expect(positionBefore(Number.POSITIVE_INFINITY, 1_795_206_467_123)).to.equal(BEGINNING);
  });
});
