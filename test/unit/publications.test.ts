import { expect } from 'chai';
import fc from 'fast-check';
import { SisyphusError } from '../../src/errors.ts';
import { parsePublications } from '../../src/http/publications.ts';
import { elementsOf, membersOf } from '../../src/message/json-source.ts';

const LIMITS = { maxMessage: 1000 };

function read(type: string | undefined, body: string | Buffer) {
  const { publications, single } = parsePublications(type, Buffer.from(body as string), LIMITS);
  return {
    single,
    messages: publications.map((publication) => ({ ...publication, data: publication.data.toString() })),
  };
}

function refusal(type: string | undefined, body: string | Buffer): string {
  try {
    read(type, body);
  } catch (error) {
    if (error instanceof SisyphusError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('the body of POST /publish', () => {
  it('is one message as a JSON object', () => {
    const body = '{"channel":"room:918","data":"hé\\n\\u0000😀","event":"opened"}';
    expect(read('application/json', body)).to.deep.equal({
      single: true,
      messages: [{ channel: 'room:918', data: 'hé\n\0😀', event: 'opened' }],
    });
    expect(read('Application/JSON; charset=UTF-8', `\ufeff${body}`).single).to.equal(true);
  });

  it('is many messages as an array, as lines, or as XML', () => {
    const messages = [
      { channel: 'room:1', data: 'a' },
      { channel: 'room:2', data: '', event: 'e' },
    ];
    const lines = '\n{"channel":"room:1","data":"a"}\r\n\n{"channel":"room:2","data":"","event":"e"}';
    const xml = '<messages><message channel="room:1">a</message><message channel="room:2" event="e"/></messages>';
    const expected = { single: false, messages };
    expect(read('application/json', JSON.stringify(messages))).to.deep.equal(expected);
    expect(read('application/x-ndjson', lines)).to.deep.equal(expected);
    expect(read('application/jsonl', lines)).to.deep.equal(expected);
    expect(read('application/xml', xml)).to.deep.equal(expected);
    expect(read('text/xml; charset="utf-8"', xml)).to.deep.equal(expected);
  });

  it('gives JSON that is no text on as it was written: 64-bit ids are not rounded', () => {
    const sources = [
      '12345678901234567890',
      '{"a": [1.0, "]}\\""],\n"b":{}}',
      '[]',
      'null',
      'false',
      '-0',
      '{"__proto__":1}',
    ];
    const body = `[${sources.map((source) => `{ "event":null , "data" : ${source} ,"channel":"room:1"}`).join(' , ')}]`;
    expect(read('application/json', body).messages.map(({ data }) => data)).to.deep.equal(sources);
  });

  it('takes the last of equal members, as JSON.parse does', () => {
    const body = '{"data":"a","channel":"room:1","data":[1],"d\\u0061ta":[2]}';
    expect(read('application/json', body).messages[0].data).to.equal('[2]');
  });

  const REFUSED: [string | undefined, string | Buffer, RegExp][] = [
    [undefined, '{}', /^unsupported_type .*application\/json/],
    ['text/plain', '{}', /^unsupported_type content type "text\/plain"/],
    ['application/x-www-form-urlencoded', 'a=b', /^unsupported_type/],
    ['application/json; charset=latin1', '{}', /^unsupported_type charset "latin1": expected utf-8/],
    ['application/json', '', /^bad_json the body is no JSON/],
    // The end of what JSON.parse says would be a part of the body, which may be a message or a token.
    ['application/json', '{"data":hunter2}', /^bad_json the body is no JSON \(Unexpected token 'h'\): expected /],
    ['application/json', '{"channel"', /^bad_json/],
    ['application/json', Buffer.from('{"channel":"a","data":"\xff"}', 'latin1'), /^bad_json .*UTF-8/],
    ['application/json', '"text"', /^bad_request a message is no JSON object/],
    ['application/json', 'null', /^bad_request a message is/],
    ['application/json', '[]', /^bad_request .*no message/],
    ['application/json', '[[]]', /^bad_request message \[0\]: a message is/],
    ['application/json', '{"channel":"a"}', /^bad_request data is missing/],
    ['application/json', '{"data":"a"}', /^bad_channel channel is missing/],
    ['application/json', '{"channel":7,"data":"a"}', /^bad_channel channel "7"/],
    ['application/json', '{"channel":"sisyphus:x","data":"a"}', /^bad_channel/],
    ['application/json', '{"channel":"a","data":"a","event":"reset"}', /^bad_event/],
    ['application/json', '{"channel":"a","data":"a","event":7}', /^bad_event/],
    ['application/json', '{"channel":"a","data":"a","evnt":"x"}', /^bad_request member "evnt" is unknown/],
    ['application/json', '{"channel":"a","data":"a","__proto__":{"event":"x"}}', /^bad_request member "__proto__"/],
    ['application/json', '{"channel":"a","data":"\\ud83d"}', /^bad_json .*surrogate/],
    [
      'application/json',
      '[{"channel":"a","data":"1"},{"channel":"a b","data":"2"}]',
      /^bad_channel message \[1\]: channel "a b"/,
    ],
    [
      'application/x-ndjson',
      '{"channel":"a","data":"1"}\n\n{"channel":"a"',
      /^bad_json message \[1\] \(line 3\): the line is no JSON/,
    ],
    ['application/x-ndjson', '\n\n', /^bad_request .*no message/],
    [
      'application/xml',
      '<messages><message channel="a"/><message channel="a b"/></messages>',
      /^bad_channel message \[1\]/,
    ],
    ['application/xml', '<messages><message channel="a" event="open"/></messages>', /^bad_event message \[0\]/],
    ['application/xml', '<messages/>', /^bad_request .*no message/],
    ['application/xml', '<!DOCTYPE a><messages/>', /^bad_xml/],
    [
      'application/json',
      `{"channel":"a","data":"${'é'.repeat(501)}"}`,
      /^too_large data has 1002 bytes: expected up to 1000/,
    ],
    ['application/json', `[{"channel":"a","data":${'1'.repeat(1001)}}]`, /^too_large message \[0\]: data has 1001/],
    ['application/json', JSON.stringify(Array(1001).fill({ channel: 'a', data: '' })), /^bad_request more than 1000/],
    ['application/jsonl', '{"channel":"a","data":""}\n'.repeat(1001), /^bad_request more than 1000/],
    ['application/xml', `<messages>${'<message channel="a"/>'.repeat(1001)}</messages>`, /^bad_request more than 1000/],
  ];

  for (const [type, body, expected] of REFUSED) {
    it(`is refused: ${type} ${JSON.stringify(body.toString().slice(0, 70))}`, () => {
      expect(refusal(type, body)).to.match(expected);
    });
  }

  it('takes exactly the largest message, and exactly a thousand of them', () => {
    expect(read('application/json', `{"channel":"a","data":"${'x'.repeat(1000)}"}`).messages).to.have.length(1);
    const thousand = JSON.stringify(Array(1000).fill({ channel: 'a', data: '' }));
    expect(read('application/json', thousand).messages).to.have.length(1000);
  });
});

describe('the source of JSON', () => {
  it('is cut where JSON.parse would cut it, for any object and array, however it is spaced', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom('', ' ', '\t', '\r\n'),
        (value, space) => {
          const text = JSON.stringify(value, undefined, space);
          const members = [...membersOf(text)].map(([key, source]) => [key, JSON.parse(source)]);
          expect(members).to.deep.equal(Object.entries(JSON.parse(text)));
          const array = JSON.stringify(Object.values(value), undefined, space);
          expect(elementsOf(array).map((source) => JSON.parse(source))).to.deep.equal(JSON.parse(array));
        },
      ),
    );
  });
});
