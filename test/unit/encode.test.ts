import { isUtf8 } from 'node:buffer';
import { expect } from 'chai';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import {
  encodeDenied,
  encodeGoodbye,
  encodeMessage,
  encodeNoop,
  encodeReset,
  encodeStatus,
} from '../../src/connection/encode.ts';
import { Delivery } from '../../src/message/delivery.ts';
import type { Message } from '../../src/message/message.ts';
import type { Position } from '../../src/message/position.ts';
import { aMessage, asRead, channels, eventNames, payloads, positions } from '../support/messages.ts';

const at = 1_795_206_467_123_456 as Position;

type Encoder = (message: Message) => Buffer;
const raw: Encoder = (message) => encodeMessage(new Delivery(message), 'raw');
const json: Encoder = (message) => encodeMessage(new Delivery(message), 'json');

const messages = fc
  .record({ channel: channels, id: positions, revision: fc.integer({ min: 1 }), event: eventNames, payload: payloads })
  .map((fields) => aMessage(fields));

/** What a client hears of the bytes, fed in pieces of `size`. */
function decode(bytes: Buffer, size = bytes.length) {
  const heard: { event: string | undefined; id: string | undefined; data: string }[] = [];
  const wrong: string[] = [];
  let retry: number | undefined;
  const parser = createParser({
    onEvent: ({ event, id, data }) => heard.push({ event, id, data }),
    onRetry: (ms) => {
      retry = ms;
    },
    onComment: (text) => wrong.push(`comment ${text}`),
    onError: (error) => wrong.push(error.message),
  });
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let i = 0; i < bytes.length; i += Math.max(1, size)) {
    parser.feed(decoder.decode(bytes.subarray(i, i + Math.max(1, size)), { stream: true }));
  }
  return { heard, retry, wrong };
}

/** The promises about every frame of a message; each is a property of an encoder, so that a wrong encoder can be tried too. */
const PROPERTIES: Record<string, (encode: Encoder) => fc.IProperty<unknown[]>> = {
  'what is read is what was published': (encode) =>
    fc.property(messages, fc.nat(40), (message, size) => {
      const { heard, wrong } = decode(encode(message), size + 1);
      expect(wrong).to.deep.equal([]);
      expect(heard).to.deep.equal([{ event: message.event, id: String(message.id), data: asRead(message.payload) }]);
    }) as fc.IProperty<unknown[]>,
  'a frame is valid UTF-8, has LF only, and ends once': (encode) =>
    fc.property(messages, (message) => {
      const frame = encode(message);
      expect(isUtf8(frame)).to.equal(true);
      expect(frame.includes(13)).to.equal(false);
      expect(frame.indexOf('\n\n')).to.equal(frame.length - 2);
    }) as fc.IProperty<unknown[]>,
  'event if named, then data, and the id last': (encode) =>
    fc.property(messages, (message) => {
      const lines = encode(message).toString().slice(0, -2).split('\n');
      if (message.event !== undefined) expect(lines.shift()).to.equal(`event: ${message.event}`);
      expect(lines.pop()).to.equal(`id: ${message.id}`);
      expect(lines).to.have.length(asRead(message.payload).split('\n').length);
      for (const line of lines) expect(line.slice(0, 6)).to.equal('data: ');
    }) as fc.IProperty<unknown[]>,
};

describe('a message as a frame', () => {
  it('has its data and then its id', () => {
    expect(raw(aMessage()).toString()).to.equal('data: hello\nid: 1795206467123456\n\n');
    expect(raw(aMessage({ event: 'moved' })).toString()).to.equal(
      'event: moved\ndata: hello\nid: 1795206467123456\n\n',
    );
  });

  it('has a data line for each line of the payload, whichever way lines end', () => {
    const payload = Buffer.from('one\ntwo\rthree\r\nfour\n\rfive\r\n');
    expect(raw(aMessage({ payload })).toString()).to.equal(
      'data: one\ndata: two\ndata: three\ndata: four\ndata: \ndata: five\ndata: \nid: 1795206467123456\n\n',
    );
  });

  it('has one empty data line for an empty payload', () => {
    expect(raw(aMessage({ payload: Buffer.alloc(0) })).toString()).to.equal('data: \nid: 1795206467123456\n\n');
  });

  it('keeps a byte order mark, leading spaces and NUL', () => {
    for (const text of ['\ufeffx', ' x', '  x', 'a\0b', '\ufeff']) {
      const { heard } = decode(raw(aMessage({ payload: Buffer.from(text) })));
      expect(heard[0]!.data).to.equal(text);
    }
  });

  it('keeps 256 kB of every plane', () => {
    let text = '';
    for (let i = 0; text.length < 200_000; i = (i + 97) % 0x10ffff) {
      if (i !== 13 && i !== 10 && (i < 0xd800 || i > 0xdfff)) text += String.fromCodePoint(i);
    }
    expect(decode(raw(aMessage({ payload: Buffer.from(text) }))).heard[0]!.data).to.equal(text);
  });

  it('puts U+FFFD where bytes are no UTF-8', () => {
    const payload = Buffer.concat([Buffer.from('a'), Buffer.from([0xff]), Buffer.from('b')]);
    expect(decode(raw(aMessage({ payload }))).heard[0]!.data).to.equal('a\ufffdb');
  });

  it('is encoded once for all who get it together, and stays as it was published', () => {
    const message = Object.freeze(aMessage());
    const delivery = new Delivery(message);
    expect(encodeMessage(delivery, 'raw')).to.equal(encodeMessage(delivery, 'raw'));
    expect(encodeMessage(delivery, 'json')).to.equal(encodeMessage(delivery, 'json'));
    expect(encodeMessage(delivery, 'raw').equals(encodeMessage(delivery, 'json'))).to.equal(false);
    expect(message).to.deep.equal(aMessage());
  });

  it('is a reset in its place where the text was too large to be recorded', () => {
    const message = aMessage({ oversize: true, payload: Buffer.alloc(0) });
    expect(raw(message).toString()).to.equal(encodeReset('room:918', 'oversize', at, 'raw').toString());
    expect(json(message).toString()).to.equal(encodeReset('room:918', 'oversize', at, 'json').toString());
  });

  for (const [name, property] of Object.entries(PROPERTIES)) {
    it(`for any payload: ${name}`, () => fc.assert(property(raw), { numRuns: 500 }));
  }
});

describe('the properties of frames', () => {
  const frame = (message: Message, lines: string[], id = `id: ${message.id}`): Buffer =>
    Buffer.from(
      `${message.event === undefined ? '' : `event: ${message.event}\n`}${lines.map((line) => `data: ${line}\n`).join('')}${id}\n\n`,
    );
  const text = ({ payload }: Message) => payload.toString('utf8');
  const mutants: [name: string, finds: number[], encode: Encoder][] = [
    ['splits on \\n alone', [0, 1], (m) => frame(m, text(m).split('\n'))],
    ['splits \\r\\n into two', [0, 2], (m) => frame(m, text(m).split(/\r|\n/))],
    [
      'sends bytes as they came',
      [1],
      (m) => Buffer.concat([Buffer.from('data: '), m.payload, Buffer.from(`\nid: ${m.id}\n\n`)]),
    ],
    [
      'sends the id first',
      [2],
      (m) =>
        Buffer.from(
          `id: ${m.id}\n${frame(m, text(m).split(/\r\n|\r|\n/))
            .toString()
            .replace(/id: \d+\n\n$/, '\n')}`,
        ),
    ],
    ['leaves the space after data: out', [0, 2], (m) => Buffer.from(raw(m).toString().replaceAll('data: ', 'data:'))],
    ['strips a byte order mark', [0], (m) => frame(m, new TextDecoder().decode(m.payload).split(/\r\n|\r|\n/))],
    ['sends nothing for an empty payload', [0, 2], (m) => (m.payload.length === 0 ? frame(m, []) : raw(m))],
    ['stops at NUL', [0], (m) => frame(m, (text(m).split('\0')[0] ?? '').split(/\r\n|\r|\n/))],
    ['forgets the event', [0, 2], (m) => raw({ ...m, event: undefined })],
  ];

  for (const [name, finds, encode] of mutants) {
    it(`find an encoder that ${name}`, () => {
      for (const i of finds) {
        const [property, make] = Object.entries(PROPERTIES)[i]!;
        expect(fc.check(make(encode), { numRuns: 2000, endOnFailure: true }).failed, property).to.equal(true);
      }
    });
  }
});

describe('a status as a frame', () => {
  const remarks = { refusal: 'missing' as const, notes: ['one', 'two'] };

  it('has its id, its data and its time to come back, and no more where nothing is wrong', () => {
    expect(encodeStatus('ok', at, 3817.4, 'raw').toString()).to.equal(
      'id: 1795206467123456\ndata: <message><status>ok</status></message>\nretry: 3817\n\n',
    );
    expect(encodeStatus('ok', at, 1, 'json', { notes: [] }).toString()).to.equal(
      'id: 1795206467123456\ndata: {"status":"ok"}\nretry: 1\n\n',
    );
  });

  it('says why, and what was ignored, in comments behind its fields', () => {
    expect(encodeStatus('failure', at, 1, 'raw', remarks).toString()).to.equal(
      'id: 1795206467123456\ndata: <message><status>failure</status></message>\nretry: 1\n: missing\n: one\n: two\n\n',
    );
    expect(encodeStatus('failure', at, 1, 'json', remarks).toString()).to.equal(
      'id: 1795206467123456\ndata: {"status":"failure","reason":"missing"}\nretry: 1\n: one\n: two\n\n',
    );
  });

  it('names the limit that is reached', () => {
    const remarks = { refusal: 'capacity' as const, limit: 'SISYPHUS_MAX_OPENS' };
    expect(encodeStatus('error', at, 1, 'raw', remarks).toString()).to.equal(
      'id: 1795206467123456\ndata: <message><status>error</status></message>\nretry: 1\n: capacity\n: SISYPHUS_MAX_OPENS\n\n',
    );
    expect(encodeStatus('error', at, 1, 'json', remarks).toString()).to.equal(
      'id: 1795206467123456\ndata: {"status":"error","reason":"capacity","limit":"SISYPHUS_MAX_OPENS"}\nretry: 1\n\n',
    );
  });

  it('is one event for every parser, and a note cannot add to it', () => {
    const notes = ['a\ndata: b', 'a\r\n\r\ndata: b\n\n', 'a\rid: 1'];
    const { heard, retry, wrong } = decode(encodeStatus('ok', at, 5, 'raw', { notes }));
    expect(heard).to.have.length(1);
    expect(heard[0]).to.include({ id: String(at), data: '<message><status>ok</status></message>' });
    expect(retry).to.equal(5);
    expect(wrong).to.have.length(3);
  });
});

describe('a message as JSON', () => {
  const dataOf = (payload: string) =>
    JSON.parse(decode(json(aMessage({ payload: Buffer.from(payload) }))).heard[0]!.data);

  it('has channel, revision, id and data', () => {
    expect(json(aMessage()).toString()).to.equal(
      'data: {"channel":"room:918","revision":12,"id":"1795206467123456","data":"hello"}\nid: 1795206467123456\n\n',
    );
  });

  it('has JSON as it was written', () => {
    for (const text of [
      '{"a":12345678901234567890,"b":1.0,"a":2}',
      '1e400',
      ' [1 , 2]',
      '"\\u2028\\ud800"',
      'null',
      '""',
    ]) {
      const { data } = decode(json(aMessage({ payload: Buffer.from(text) }))).heard[0]!;
      expect(data).to.equal(`{"channel":"room:918","revision":12,"id":"1795206467123456","data":${text}}`);
    }
  });

  it('has JSON of many lines in one', () => {
    const frame = json(
      aMessage({ payload: Buffer.from('{\r\n  "big": 12345678901234567890,\n  "b": [\r1\r]\n}') }),
    ).toString();
    expect(frame.match(/^data: /gm)).to.have.length(1);
    expect(frame).to.contain('12345678901234567890');
    expect(JSON.parse(frame.slice(6, frame.indexOf('\nid: '))).data.b).to.deep.equal([1]);
  });

  it('has XML as an object, and text as text', () => {
    expect(dataOf('<message><body>hi</body></message>').data).to.deep.equal({ message: { body: 'hi' } });
    expect(dataOf('<not xml').data).to.equal('<not xml');
    expect(dataOf('').data).to.equal('');
    expect(dataOf('NaN').data).to.equal('NaN');
    expect(dataOf('{"a":\n').data).to.equal('{"a":\n');
  });

  it('for any payload: one line of JSON that says what was published', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const { heard, wrong } = decode(json(message));
        expect(wrong).to.deep.equal([]);
        expect(heard).to.have.length(1);
        expect(heard[0]!.id).to.equal(String(message.id));
        expect(heard[0]!.event).to.equal(message.event);
        expect(heard[0]!.data).not.to.contain('\n');
        const { channel, revision, id, data } = JSON.parse(heard[0]!.data);
        expect({ channel, revision, id }).to.deep.equal({
          channel: message.channel,
          revision: message.revision,
          id: String(message.id),
        });
        if (typeof data === 'string' && !/^\s*"/.test(message.payload.toString())) {
          expect(data).to.equal(message.payload.toString('utf8'));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('for any JSON, however it is laid out: the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\r\n', '\t'), (value, space) => {
        const text = JSON.stringify(value, undefined, space === '\r\n' ? 1 : space);
        const payload = space === '\r\n' ? text.replaceAll('\n', '\r\n') : text;
        expect(dataOf(payload).data).to.deep.equal(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });
});

describe('what the gateway itself says', () => {
  it('begins a stream with id, status and retry', () => {
    expect(encodeStatus('ok', at, 3816.7, 'raw').toString()).to.equal(
      'id: 1795206467123456\ndata: <message><status>ok</status></message>\nretry: 3817\n\n',
    );
    expect(encodeStatus('failure', at, 30_000, 'json').toString()).to.equal(
      'id: 1795206467123456\ndata: {"status":"failure"}\nretry: 30000\n\n',
    );
    expect(decode(encodeStatus('error', at, 5000, 'raw'))).to.deep.equal({
      heard: [{ event: undefined, id: String(at), data: '<message><status>error</status></message>' }],
      retry: 5000,
      wrong: [],
    });
  });

  it('keeps a stream alive with id and noop', () => {
    expect(encodeNoop(at, 'raw').toString()).to.equal('id: 1795206467123456\ndata: noop\n\n');
    expect(encodeNoop(at, 'json').toString()).to.equal('id: 1795206467123456\ndata: {"noop":true}\n\n');
  });

  it('says when to come back with id, noop and retry', () => {
    expect(encodeGoodbye(at, 3000.2, 'raw').toString()).to.equal('id: 1795206467123456\ndata: noop\nretry: 3000\n\n');
  });

  it('tells in JSON after how much silence a noop comes', () => {
    expect(encodeStatus('ok', at, 1, 'json', { noopInterval: 15_000 }).toString()).to.equal(
      'id: 1795206467123456\ndata: {"status":"ok","noopInterval":15000}\nretry: 1\n\n',
    );
    expect(encodeStatus('ok', at, 1, 'raw', { noopInterval: 15_000 }).toString()).not.to.include('15000');
    // A stream that ends has none.
    expect(encodeStatus('error', at, 1, 'json', { noopInterval: 15_000 }).toString()).not.to.include('15000');
  });

  it('has everything in the JSON of a frame, for a client with one listener', () => {
    expect(encodeStatus('error', at, 34_211.3, 'frames', { refusal: 'capacity' }).toString()).to.equal(
      'id: 1795206467123456\ndata: {"status":"error","reason":"capacity","retry":34211}\nretry: 34211\n\n',
    );
    expect(encodeNoop(at, 'frames').toString()).to.equal('id: 1795206467123456\ndata: {"noop":true}\n\n');
    expect(encodeGoodbye(at, 4211, 'frames').toString()).to.equal(
      'id: 1795206467123456\ndata: {"noop":true,"retry":4211}\nretry: 4211\n\n',
    );
    expect(encodeReset('room:918', 'trimmed', at, 'frames').toString()).to.equal(
      'data: {"reset":{"channel":"room:918","reason":"trimmed"}}\nid: 1795206467123456\n\n',
    );
    expect(encodeDenied('room:918', at, 'frames').toString()).to.equal(
      'data: {"denied":{"channel":"room:918"}}\nid: 1795206467123456\n\n',
    );
    const message = aMessage({
      channel: 'room:918',
      revision: 3,
      id: at,
      event: 'comment',
      payload: Buffer.from('"a"'),
    });
    const delivery = new Delivery(message);
    expect(encodeMessage(delivery, 'frames').toString()).to.equal(
      'data: {"channel":"room:918","revision":3,"id":"1795206467123456","event":"comment","data":"a"}\nid: 1795206467123456\n\n',
    );
    expect(encodeMessage(delivery, 'json').toString()).to.include('event: comment\n').and.not.include('"event"');
  });

  it('tells of a gap by an event, with the id last', () => {
    expect(encodeReset('room:918', 'trimmed', at, 'raw').toString()).to.equal(
      'event: reset\ndata: <message><reset><channel>room:918</channel><reason>trimmed</reason></reset></message>\nid: 1795206467123456\n\n',
    );
    expect(encodeReset('__proto__', 'expired', at, 'json').toString()).to.equal(
      'event: reset\ndata: {"reset":{"channel":"__proto__","reason":"expired"}}\nid: 1795206467123456\n\n',
    );
  });
});
