import { expect } from 'chai';
import { parseTrace, TRACE_LENGTH } from '../../src/message/trace.ts';

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

describe('a traceparent', () => {
  it('is taken as it is in the version that everybody has', () => {
    for (const flags of ['00', '01', 'ff']) {
      const header = `00-${TRACE}-${SPAN}-${flags}`;
      expect(parseTrace(header)).to.equal(header);
      expect(header).to.have.length(TRACE_LENGTH);
    }
  });

  it('of a later version is read as far as it is known', () => {
    expect(parseTrace(`01-${TRACE}-${SPAN}-01`)).to.equal(`00-${TRACE}-${SPAN}-01`);
    expect(parseTrace(`cc-${TRACE}-${SPAN}-0b-what-comes-next`)).to.equal(`00-${TRACE}-${SPAN}-01`);
    expect(parseTrace(`cc-${TRACE}-${SPAN}-08-`)).to.equal(`00-${TRACE}-${SPAN}-00`);
  });

  it('that is none is ignored', () => {
    const none = [
      '',
      'hello',
      `00-${TRACE}-${SPAN}`,
      `00-${TRACE}-${SPAN}-0`,
      `00-${TRACE}-${SPAN}-01-more`,
      `00-${TRACE}-${SPAN}-01 `,
      `00-${TRACE}-${SPAN}-01\n`,
      `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${'0'.repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `ff-${TRACE}-${SPAN}-01`,
      `cc-${TRACE}-${SPAN}-01.more`,
      `${TRACE}-${SPAN}`,
    ];
    for (const header of none) expect(parseTrace(header), header).to.equal(undefined);
  });
});
