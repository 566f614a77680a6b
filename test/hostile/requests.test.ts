import { expect } from 'chai';
import { PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { startWorld, type World } from '../support/world.ts';
import { keysOfChannel, touchedBy } from './footprint.ts';

const SECRET = `Authorization: Bearer ${PUBLISH_SECRET}`;
const JSON_TYPE = 'Content-Type: application/json';
const BODY = '{"channel":"room:1","data":"x"}';
const LENGTH = `Content-Length: ${BODY.length}`;
const CHUNKED = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;

/** A POST that publishes, but for what its head says. */
const post = (...lines: string[]): string =>
  `${['POST /publish HTTP/1.1', 'Host: a', SECRET, JSON_TYPE, ...lines].join('\r\n')}\r\n\r\n`;
const get = (target: string, ...lines: string[]): string =>
  `${[`GET ${target} HTTP/1.1`, 'Host: a', ...lines].join('\r\n')}\r\n\r\n`;

/** Requests that are read in two ways by two programs: [what, the bytes, what the first answer has]. None of them publishes. */
const AMBIGUOUS: [what: string, bytes: string, answer: RegExp][] = [
  ['two lengths', `${post(LENGTH, 'Content-Length: 5')}${BODY}`, /^HTTP\/1\.1 400 /],
  ['two lengths that are the same', `${post(LENGTH, LENGTH)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a list of lengths', `${post(`Content-Length: ${BODY.length}, ${BODY.length}`)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a length with a sign', `${post(`Content-Length: +${BODY.length}`)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a length in hexadecimal', `${post('Content-Length: 0x1f')}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a negative length', `${post('Content-Length: -1')}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a length without end', `${post('Content-Length: 99999999999999999999')}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a length and chunks', `${post(LENGTH, 'Transfer-Encoding: chunked')}${CHUNKED}`, /^HTTP\/1\.1 400 /],
  ['chunks and a length', `${post('Transfer-Encoding: chunked', LENGTH)}${CHUNKED}`, /^HTTP\/1\.1 400 /],
  [
    'chunks that are not the last coding',
    `${post('Transfer-Encoding: chunked, identity')}${CHUNKED}`,
    /^HTTP\/1\.1 400 /,
  ],
  ['an unknown coding', `${post('Transfer-Encoding: xchunked')}${CHUNKED}`, /^HTTP\/1\.1 400 /],
  ['a coding behind a vertical tab', `${post('Transfer-Encoding:\x0bchunked')}${CHUNKED}`, /^HTTP\/1\.1 400 /],
  ['a space before the colon', `${post(`Content-Length : ${BODY.length}`)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a folded line', `${post('A: b', ` ${LENGTH}`)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a bare CR', `${post(`A: b\r${LENGTH}`)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a bare LF', `${post(`A: b\n${LENGTH}`)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['NUL in a header', `${post('A: b\0', LENGTH)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a header without a name', `${post(': b', LENGTH)}${BODY}`, /^HTTP\/1\.1 400 /],
  ['a chunk of no number', `${post('Transfer-Encoding: chunked')}ZZ\r\n${BODY}\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
  ['a chunk with a sign', `${post('Transfer-Encoding: chunked')}+${CHUNKED}`, /^HTTP\/1\.1 400 /],
  [
    'a chunk that is too long',
    `${post('Transfer-Encoding: chunked')}ffffffffffffffffff\r\n${BODY}`,
    /^HTTP\/1\.1 400 /,
  ],
  [
    'the secret of a proxy',
    `POST /publish HTTP/1.1\r\nHost: a\r\nProxy-${SECRET}\r\n${LENGTH}\r\n\r\n${BODY}`,
    /^HTTP\/1\.1 401 /,
  ],
  [
    'the secret in the address',
    `POST /publish?access_token=${PUBLISH_SECRET} HTTP/1.1\r\nHost: a\r\n${LENGTH}\r\n\r\n${BODY}`,
    /^HTTP\/1\.1 401 /,
  ],
  [
    'the secret in a cookie',
    `POST /publish HTTP/1.1\r\nHost: a\r\nCookie: secret=${PUBLISH_SECRET}\r\n${LENGTH}\r\n\r\n${BODY}`,
    /^HTTP\/1\.1 401 /,
  ],
  ['another method in a header', get('/publish', SECRET, 'X-HTTP-Method-Override: POST'), /^HTTP\/1\.1 405 /],
  ['a path in capitals', `${post(LENGTH).replace('/publish', '/PUBLISH')}${BODY}`, /^HTTP\/1\.1 404 /],
  ['a path with dots', `${post(LENGTH).replace('/publish', '/x/../publish')}${BODY}`, /^HTTP\/1\.1 404 /],
  ['a path with a slash at its end', `${post(LENGTH).replace('/publish', '/publish/')}${BODY}`, /^HTTP\/1\.1 404 /],
  ['figures in capitals', get('/STATUS'), /^HTTP\/1\.1 404 /],
  ['a stream in capitals', get('/Stream?user=1'), /^HTTP\/1\.1 404 /],
  ['an encoded path', `${post(LENGTH).replace('/publish', '/%70ublish')}${BODY}`, /^HTTP\/1\.1 404 /],
  ['no host', `POST /publish HTTP/1.1\r\n${SECRET}\r\n${JSON_TYPE}\r\n${LENGTH}\r\n\r\n${BODY}`, /^HTTP\/1\.1 400 /],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1\.1 400 .*TLS/s],
];

/** Requests for streams: [what, the bytes, what the first frame has]. */
const STREAMS: [what: string, bytes: string, frame: RegExp][] = [
  ['an address in absolute form', get('http://elsewhere.example/?user=1'), /<status>ok</],
  ['an address with a user', get('http://u:p@elsewhere.example/?user=1'), /<status>ok</],
  ['a user twice', get('/?user=1&user=1'), /: malformed\n/],
  ['a user with brackets', get('/?user[]=1'), /: missing\n/],
  ['a user in other letters', get('/?USER=1'), /: missing\n/],
  ['a user behind an encoded &', get('/?x=1%26user=1'), /: missing\n/],
  ['a user behind ;', get('/?x=1;user=1'), /: missing\n/],
  ['an encoded name', get('/?%75ser=1'), /<status>ok</],
  [
    'the prototype as a parameter',
    get('/?__proto__=1&constructor=2&user=1'),
    /<status>ok<[\s\S]*unknown parameter __proto__/,
  ],
  [
    'a line feed in a parameter',
    get('/?user=1&a%0Aid:%205%0A%0Adata:%20x=1'),
    /<status>ok<[\s\S]*unknown parameter a\.\.\.: expected/,
  ],
  [
    'a line feed in a format',
    get('/?user=1&format=%0Adata:%20x'),
    /<status>ok<[\s\S]*: format=\(8 characters\): expected/,
  ],
  [
    'a line feed in a position',
    get('/?user=1&since=%0D%0Aretry:%201'),
    /<status>ok<[\s\S]*: since=\(10 characters\): expected/,
  ],
  ['a position that is no number', get('/?user=1', 'Last-Event-ID: __proto__'), /<status>ok</],
  ['a position without end', get('/?user=1', 'Last-Event-ID: 99999999999999999999999999'), /<status>ok</],
  ['a negative position', get('/?user=1&lastEventId=-1'), /<status>ok</],
  ['two positions', get('/?user=1', 'Last-Event-ID: 5', 'Last-Event-ID: 6'), /<status>ok</],
  ['a position of 60 kB', get('/?user=1', `Last-Event-ID: ${'9'.repeat(60_000)}`), /<status>ok</],
  ['an overlap without end', get('/?user=1&overlap=1e400'), /<status>ok<[\s\S]*: overlap=1e400: expected/],
  ['an overlap of a billion', get('/?user=1&overlap=999999999'), /<status>ok<[\s\S]*1000 is the most/],
  ['2,000 parameters', get(`/?user=1&${Array.from({ length: 2000 }, (_, i) => `p${i}=1`).join('&')}`), /<status>ok</],
  ['2,000 users', get(`/?${'user=1&'.repeat(2000)}`), /: malformed\n/],
  ['a broken escape', get('/?user=1&x=%&y=%zz&z=%c0%80'), /<status>ok</],
  ['a body', `GET /?user=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET `, /<status>ok</],
  ['an upgrade', get('/?user=1', 'Connection: Upgrade', 'Upgrade: websocket'), /<status>ok</],
  ['HTTP/0.9', 'GET /?user=1\r\n\r\n', /<status>ok</],
  ['another host', get('/?user=1', 'X-Forwarded-Host: evil.example'), /<status>ok</],
];

describe('a request that is read in two ways', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1');
  });

  after(() => world?.stop());

  async function answerTo(bytes: string, expected: RegExp): Promise<string> {
    const socket = new RawSocket(world.gateway.port).send(bytes);
    try {
      return (await socket.until(expected)).text;
    } finally {
      socket.close();
    }
  }

  for (const [what, bytes, expected] of AMBIGUOUS) {
    it(`is refused, publishes nothing, and ends its connection or is the only one on it: ${what}`, async () => {
      const touched = await touchedBy(world.client, async () => {
        const text = await answerTo(`${bytes}${post(LENGTH).replace(SECRET, 'A: b')}${BODY}`, expected);
        expect(text).not.to.match(/ 200 OK| 500 |internal/);
      });
      expect(touched).to.deep.equal([]);
    });
  }

  for (const [what, bytes, expected] of STREAMS) {
    it(`gets a frame that is whole, and nobody else's stream: ${what}`, async () => {
      const text = await answerTo(bytes, expected);
      expect(text).to.match(/^HTTP\/1\.1 200 OK\r\n/);
      expect(text.split('\r\n\r\n')[1]).to.match(/^id: \d+\ndata: [^\n]+\nretry: \d+\n(?:: [ -~]+\n)*\n/);
    });
  }
});

describe('a hostile key or number', function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });

  after(() => world?.stop());

  const publish = async (body: string, headers = {}): Promise<string> => {
    const response = await postPublish(world.gateway.url, body, { headers });
    const { error } = (await response.json()) as { error?: string };
    return error ?? 'taken';
  };

  it('of idempotency is taken as it is or refused, and touches no other key', async () => {
    const before = await world.client.keys('*');
    const rows: [key: string, word: string][] = [
      ['a', 'taken'],
      ['__proto__', 'taken'],
      ['*', 'taken'],
      ['../clock', 'taken'],
      ['a:b:{0}', 'taken'],
      ['"\'\\', 'taken'],
      ['x'.repeat(255), 'taken'],
      ['x'.repeat(256), 'bad_request'],
      ['a b', 'bad_request'],
      ['a\u00e9', 'bad_request'],
      ['a, b', 'bad_request'],
    ];
    for (const [key, word] of rows) {
      const touched = await touchedBy(world.client, async () => {
        expect(await publish(BODY, { 'Idempotency-Key': key }), key).to.equal(word);
        // The same once more publishes nothing.
        expect(await publish(BODY, { 'Idempotency-Key': key }), key).to.equal(word);
      });
      const allowed = [...keysOfChannel('room:1'), `sisyphus:{0}:idempotency:request:${key}`];
      expect(word === 'taken' ? allowed : [], key).to.include.members(touched);
      if (word !== 'taken') continue;
      expect(await publish(BODY.replace('"x"', '"y"'), { 'Idempotency-Key': key }), key).to.equal(
        'idempotency_conflict',
      );
    }
    const revision = await world.client.get('sisyphus:{0}:channel:room:1:msg_id');
    expect(Number(revision)).to.equal(rows.filter(([, word]) => word === 'taken').length);
    expect(before).to.not.include('sisyphus:{0}:channel:room:1:msg_id');
  });

  it('of JSON is published as it was written, or refused', async () => {
    const stream = await world.openOk({ path: '/?user=json&overlap=0' });
    const channel = '"channel":"user:json"';
    const taken: [body: string, data: string][] = [
      [`{${channel},"data":{"__proto__":{"a":1},"constructor":2}}`, '{"__proto__":{"a":1},"constructor":2}'],
      [`{${channel},"data":{"a":1,"a":2}}`, '{"a":1,"a":2}'],
      [`{${channel},"data":"first","data":"last"}`, 'last'],
      [`{"channel":"room:other",${channel},"data":"moved"}`, 'moved'],
      [`{${channel},"data":12345678901234567890}`, '12345678901234567890'],
      [`{${channel},"data":1e400}`, '1e400'],
      [`{${channel},"data":-0.0}`, '-0.0'],
      [`{${channel},"data":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
      [`{"\\u0063hannel":"user:json","data":"escaped"}`, 'escaped'],
      [`{${channel},"data":"\\u2028\\u0000\\u0085"}`, '\u2028\0\u0085'],
      [`{${channel},"data":null,"event":null}`, 'null'],
    ];
    for (const [body] of taken) expect(await publish(body), body.slice(0, 80)).to.equal('taken');
    await stream.until(({ messages }) => messages.length === taken.length);
    expect(stream.messages.map(({ data }) => data)).to.deep.equal(taken.map(([, data]) => data));
    for (const [body, word] of [
      [`{${channel},"data":1,"__proto__":1}`, 'bad_request'],
      [`{${channel},"data":1,"constructor":1}`, 'bad_request'],
      [`{${channel},"data":1,"toString":1}`, 'bad_request'],
      [`{"__proto__":{${channel}},"data":1}`, 'bad_request'],
      [`{${channel},"data":"\\ud800"}`, 'bad_json'],
      [`{${channel},"data":01}`, 'bad_json'],
      [`{${channel},"data":NaN}`, 'bad_json'],
      [`{${channel},"data":1,}`, 'bad_json'],
      [`{${channel},"data":1}}`, 'bad_json'],
      [`{${channel}/**/,"data":1}`, 'bad_json'],
    ] as const) {
      expect(await publish(body), body).to.equal(word);
    }
    expect(stream.messages.length).to.equal(taken.length);
  });
});
