import { expect } from 'chai';
import { SisyphusError } from '../../src/errors.ts';
import { parsePublications } from '../../src/http/publications.ts';
import { parseRightsChange } from '../../src/http/rights-change.ts';

const LIMITS = { maxMessage: 1000 };
const JSON_TYPE = 'application/json';

function read(body: string, type: string | undefined = JSON_TYPE) {
  const { user, channel, data } = parseRightsChange(type, Buffer.from(body), LIMITS);
  return { user, channel, data: data?.toString() };
}

function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof SisyphusError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'taken';
}

/** A body by what it has beside the members that the route must have. */
const ALIKE: Record<string, { type?: string; body?: (members: string) => string | Buffer }> = {
  'no type': { type: '' },
  'a type of forms': { type: 'application/x-www-form-urlencoded' },
  'another charset': { type: `${JSON_TYPE}; charset=latin1` },
  'UTF-8, quoted': { type: `${JSON_TYPE}; charset="UTF-8"` },
  nothing: { body: () => '' },
  'no JSON': { body: (members) => `{${members}` },
  'a text': { body: () => '"text"' },
  null: { body: () => 'null' },
  'a byte order mark': { body: (members) => `\ufeff{${members},"data":"x"}` },
  'bytes that are no UTF-8': { body: (members) => Buffer.from(`{${members},"data":"\xff"}`, 'latin1') },
  'half a surrogate pair': { body: (members) => `{${members},"data":"\\ud83d"}` },
  'both halves': { body: (members) => `{${members},"data":"\\ud83d\\ude00"}` },
  'a member that is unknown': { body: (members) => `{${members},"data":"x","chanel":"room:1"}` },
  'a prototype': { body: (members) => `{${members},"data":"x","__proto__":{"x":1}}` },
  'an object as data': { body: (members) => `{${members},"data":{"a": 1.0}}` },
  'null as data': { body: (members) => `{${members},"data":null}` },
  'a number of 64 bits as data': { body: (members) => `{${members},"data":12345678901234567890}` },
  'data twice': { body: (members) => `{${members},"data":"first","data":"last"}` },
  'the largest data': { body: (members) => `{${members},"data":"${'é'.repeat(500)}"}` },
  'too much data': { body: (members) => `{${members},"data":"${'é'.repeat(500)}x"}` },
  'a channel that is none': { body: (members) => `{${members},"channel":"a b","data":"x"}` },
};

describe('the body of POST /grant and /revoke', () => {
  it('has a user and a channel, and the text for it if need be', () => {
    expect(read('{"user":"7","channel":"room:918"}')).to.deep.equal({
      user: '7',
      channel: 'room:918',
      data: undefined,
    });
    expect(read('{"channel":"room:918","data":"","user":"a@b"}')).to.deep.equal({
      user: 'a@b',
      channel: 'room:918',
      data: '',
    });
  });

  it('may have a user that is an integer, of any length, digit by digit', () => {
    for (const digits of ['7', '0', '12345678901234567890', '9007199254740993']) {
      expect(read(`{"user": ${digits} ,"channel":"room:1"}`).user).to.equal(digits);
    }
  });

  it('is refused with the name of a wrong type', () => {
    for (const [user, type] of Object.entries({
      '7.5': 'a number',
      '-7': 'a number',
      '7e2': 'a number',
      true: 'a boolean',
      null: 'null',
      '["7"]': 'an array',
      '{"id":7}': 'an object',
    })) {
      const said = refusal(() => read(`{"user":${user},"channel":"room:1"}`));
      expect(said, user).to.match(new RegExp(`^bad_user user ".*" is ${type}: expected a string, such as "7"$`));
    }
    expect(refusal(() => read('{"user":"7","channel":918}'))).to.match(
      /^bad_channel channel "918" is a number: expected/,
    );
    expect(refusal(() => read('{"channel":"room:1"}'))).to.match(/^bad_user user is missing/);
    expect(refusal(() => read('[{"user":"7","channel":"room:1"}]'))).to.match(
      /^bad_request the body is no JSON object/,
    );
  });

  for (const [what, { type = JSON_TYPE, body = (members: string) => `{${members},"data":"x"}` }] of Object.entries(
    ALIKE,
  )) {
    it(`is judged as the body of POST /publish is, with ${what}`, () => {
      /** The code that it is refused with, or the data that is published. */
      const verdict = (members: string, parse: (bytes: Buffer) => Buffer | undefined): string => {
        let data: Buffer | undefined;
        const [code] = refusal(() => {
          data = parse(Buffer.from(body(members) as string));
        }).split(' ');
        return data === undefined ? code! : `taken: ${data}`;
      };
      const grant = (bytes: Buffer) => parseRightsChange(type, bytes, LIMITS).data;
      const publish = (bytes: Buffer) => parsePublications(type, bytes, LIMITS).publications[0]!.data;
      expect(verdict('"user":"7","channel":"room:1"', grant)).to.equal(verdict('"channel":"room:1"', publish));
    });
  }
});
