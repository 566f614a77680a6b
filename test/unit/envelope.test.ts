import { expect } from 'chai';
import fc from 'fast-check';
import { formatEnvelope, parseEnvelope, parseNote } from '../../src/message/envelope.ts';
import type { Position } from '../../src/message/position.ts';
import type { RightsChange } from '../../src/message/rights-change.ts';
import { aMessage, messages, payloads } from '../support/messages.ts';

describe('an envelope', () => {
  it('is a line about the message, and its bytes', () => {
    const message = aMessage({ id: 20 as Position, previous: 10 as Position });
    expect(formatEnvelope(message).toString()).to.equal('20 12 10 - - -\nhello');
    const rights: RightsChange = {
      before: 1 as Position,
      now: 2 as Position,
      changes: [
        { channel: 'room:1', kind: 'granted', place: { id: 15 as Position, number: 3 } },
        {
          channel: 'room:2',
          kind: 'revoked',
          place: { id: 15 as Position, number: 3 },
          was: { id: 18 as Position, number: 0 },
        },
      ],
    };
    const place = { id: 15 as Position, number: 3 };
    expect(formatEnvelope({ ...message, place, event: 'moved', oversize: true, rights }).toString()).to.equal(
      '20 12 10 15.3 o =moved 1 2 ? +room:1/15.3,-room:2/15.3/18.0\nhello',
    );
  });

  it('has the trace behind the flags, where gateways of version 0.1 look for an `o` alone', () => {
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const message = aMessage({ id: 20 as Position, previous: 10 as Position, trace });
    expect(formatEnvelope(message).toString()).to.equal(`20 12 10 - -/${trace} -\nhello`);
    expect(formatEnvelope({ ...message, oversize: true }).toString()).to.equal(`20 12 10 - o/${trace} -\nhello`);
    // Whoever may PUBLISH can send an envelope: what is no trace is none.
    const forged = parseEnvelope('room:1', Buffer.from('20 12 10 - -/"}\r -\nhello'));
    expect(forged).to.include({ trace: undefined, oversize: false });
  });

  it('tells a change that has to be read, and one that is none', () => {
    const parse = (text: string) => parseEnvelope('user:7', Buffer.from(text)).rights;
    expect(parse('2 1 0 - - - 1 2 ?\n')).to.deep.equal({ before: 1, now: 2, changes: undefined });
    expect(parse('2 1 0 - - - 1 1 -\n')).to.deep.equal({ before: 1, now: 1, changes: [] });
    expect(parse('2 1 0 - - -\n')).to.equal(undefined);
  });

  it('of version 0.1 tells that the list has to be read', () => {
    const text = '20 12 10 15.3 a - 1 2 +room:1,-room:2\n';
    expect(parseEnvelope('user:7', Buffer.from(text)).rights).to.deep.equal({ before: 1, now: 2, changes: undefined });
  });

  it('with revision 0 is a note of a change that no message tells', () => {
    expect(parseNote(Buffer.from('20 0 0 - - - 1 20 ? +room:1/20.0\n'))).to.deep.equal({
      before: 1,
      now: 20,
      changes: [{ channel: 'room:1', kind: 'granted', place: { id: 20, number: 0 } }],
    });
    for (const text of ['20 1 0 - - - 1 20 ?\n', '20 0 0 - - -\n', 'hello', '']) {
      expect(parseNote(Buffer.from(text)), text).to.equal(undefined);
    }
  });

  it('brings every message back as it was, whatever its bytes are', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const back = parseEnvelope(message.channel, formatEnvelope(message));
        expect({ ...back, payload: back.payload.toString('hex') }).to.deep.equal({
          ...message,
          payload: message.payload.toString('hex'),
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused where it is none', () => {
    for (const text of [
      '',
      'hello',
      '\n',
      'hello\nworld',
      '<message>\n</message>',
      '1 1',
      '-1 1 0 - - -\n',
      '1 1 x - - -\nx',
      '1\n',
      '10 1\n',
      '10 1 0 - -\n',
      '10 x 0 - - -\n',
      '10 0 0 - - -\n',
      '10 1 0 - - =\n',
      '10 1 0 - - =a\rdata: b\n',
      '10 1 0 - - =é\n',
    ]) {
      expect(() => parseEnvelope('room:1', Buffer.from(text)), JSON.stringify(text)).to.throw(TypeError, 'room:1');
    }
  });

  it('of any bytes is a message with an id, or refused', () => {
    const header = fc.stringMatching(/^[0-9 =+?o\n-]{0,30}$/).map((text) => Buffer.from(text));
    fc.assert(
      fc.property(fc.oneof(payloads, header), (bytes) => {
        let message: ReturnType<typeof parseEnvelope>;
        try {
          message = parseEnvelope('room:1', bytes);
        } catch (error) {
          expect(error).to.be.instanceOf(TypeError);
          return;
        }
        expect(Number.isSafeInteger(message.id)).to.equal(true);
        expect(Number.isSafeInteger(message.previous)).to.equal(true);
        expect(message.revision).to.be.at.least(1);
        expect(message.event ?? 'x').to.match(/^[A-Za-z0-9_.:-]{1,128}$/);
      }),
      { numRuns: 1000 },
    );
  });
});
