import fc from 'fast-check';
import { NAMES } from '../hostile/names.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';

/** What is sent on one connection: to which gateway, and in which pieces. */
export interface Attempt {
  gateway: number;
  pieces: Buffer[];
}

/** All paths. A new route gets its line here, and its body in `BODIES`. */
const PATHS = [
  '/',
  '/stream',
  '/publish',
  '/grant',
  '/revoke',
  '/tokens',
  '/disconnect',
  '/healthz',
  '/readyz',
  '/status',
];
const METHODS = [
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'DELETE',
  'PUT',
  'PATCH',
  'CONNECT',
  'TRACE',
  'PRI',
  'get',
  'M-SEARCH',
];
const PARAMETERS = [
  'user',
  'format',
  'lastEventId',
  'since',
  'overlap',
  'access_token',
  'c',
  '__proto__',
  'toString',
  'user[]',
  '',
];
const POSITIONS = [
  '0',
  '1795206467123456',
  '-1',
  '1e400',
  '99999999999999999999',
  '9007199254740993',
  '0x10',
  ' 5',
  '5,6',
  'NaN',
];
const TOKENS = [
  'a.b.c',
  'eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.',
  'x'.repeat(5000),
  '',
  '.',
  '....',
  'a b',
  PUBLISH_SECRET,
];
const JSON_TEXTS = [
  '{"channel":"room:fuzz","data":"x"}',
  '{"channel":"room:fuzz","channel":"room:fuzz2","data":{"a":1e400,"b":-0,"__proto__":{"x":1}}}',
  '[{"channel":"room:fuzz","data":"x","event":"e"},{"channel":"room:fuzz","data":["\\ud800"]}]',
  '{"channel":"room:fuzz","data":"\\ud800"}',
  '{"__proto__":{"channel":"room:fuzz"},"constructor":1,"data":1}',
  '{"user":"fuzz","channel":"room:fuzz"}',
  '{"user":12345678901234567890,"channel":"room:fuzz"}',
  '{"user":"fuzz","ttl":"1e9h"}',
  '{"user":1e400,"channel":[],"data":null,"event":{}}',
  `${'['.repeat(3000)}${']'.repeat(3000)}`,
  `{"channel":${'[{"a":'.repeat(9000)}1${'}]'.repeat(9000)},"data":1}`,
  '{"channel":"\\u2028\\u2029\\u0085\\u009b2J\\u0000\\n{\\"level\\":\\"info\\"}","data":1}',
  '"',
  '{',
  'null',
  '1e1000',
  '\ufeff{}',
  '{"a":1}\n{"a":2}',
];
const XML_TEXTS = [
  '<messages><message channel="room:fuzz">x</message></messages>',
  '<messages><message channel="room:fuzz" event="e"><![CDATA[ ]]>]]&gt;<!-- - --></message></messages>',
  '<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><messages><message channel="room:fuzz">&b;</message></messages>',
  '<messages><message channel="&#x72;oom:fuzz">&#0;&#xd800;&#x110000;&nope;</message></messages>',
  '<?xml version="1.0" encoding="UTF-16"?><messages/>',
  `<messages>${'<a>'.repeat(2000)}`,
  '<messages><message channel="room:fuzz" channel="x">x</message></messages>',
];
const TYPES = [
  ...['application/json', 'application/x-ndjson', 'application/jsonl', 'application/xml', 'text/xml; charset="utf-8"'],
  ...['application/json; charset=utf-16', 'multipart/form-data; boundary=x', 'text/plain', '', 'a'.repeat(300)],
];
const HEADERS = [
  ...[
    'Authorization',
    'Cookie',
    'Last-Event-ID',
    'Origin',
    'Content-Type',
    'Content-Encoding',
    'Idempotency-Key',
    'Expect',
  ],
  ...[
    'Connection',
    'Upgrade',
    'Transfer-Encoding',
    'Content-Length',
    'TE',
    'Trailer',
    'Host',
    'X-Forwarded-For',
    'Accept',
  ],
  ...['X-Sisyphus-User', 'X-Sisyphus-Secret', 'X_Sisyphus_User', 'x-sisyphus-USER', 'X-HTTP-Method-Override', 'Range'],
  ...['Access-Control-Request-Method', 'Access-Control-Request-Headers', '__proto__', 'constructor', 'If-None-Match'],
];
const VALUES = [
  ...['chunked', 'chunked, identity', 'identity', 'gzip', '0', '5', '+5', '5, 5', '0x5', '99999999999999999999', '-1'],
  ...[
    'keep-alive',
    'close',
    'Upgrade',
    'websocket',
    'h2c',
    '100-continue',
    'null',
    'https://a.example',
    'bytes=0-',
    '*',
  ],
  ...[
    '127.0.0.1',
    '::1, 10.0.0.1',
    '300.1.1.1',
    'application/json',
    's=1; s=2',
    'session="a',
    '7',
    'user:*',
    '../',
    '\t',
  ],
  ...[`Bearer ${PUBLISH_SECRET}`, 'Bearer', 'bearer  x', 'Basic eDp5', 'Bearer a.b.c', 'é', 'x'.repeat(9000)],
];
/** Lines that are no good header lines. */
const BAD_LINES = [
  ...[
    'Host : a',
    ' folded: yes',
    '\tfolded',
    'X-Sisyphus-User: 7\r\n 8',
    'A: b\rC: d',
    'A: b\nC: d',
    ': no name',
    'no colon',
    'A: \0',
  ],
  ...[
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked, identity',
  ],
  ...[
    'Transfer-Encoding:\x0bchunked',
    'Transfer-Encoding: xchunked',
    'Ho\x80st: a',
    'A\u00a0B: c',
    '\r',
    'Cookie: a=b\x7f',
    'Cookie: s=\x01',
  ],
];
/** What an attacker would put anywhere. */
const BITS = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    '\r\n\r\n',
    '%00',
    '%0d%0a',
    '%u0000',
    '../',
    '%',
    ' ',
    '\t',
    '\x0b',
    '\x7f',
    '\xff',
    '\xc0\x80',
    '\xed\xa0\x80',
  ],
  ...[
    '0\r\n\r\n',
    'ffffffffffffffff\r\n',
    'GET / HTTP/1.1\r\n',
    'HTTP/1.1 200 OK\r\n',
    '{"level":"info"}',
    '\x16\x03\x01',
    ';a=b',
    '#',
    '@',
    '\u00e2\u0080\u00a8',
  ],
];

const oneOf = (texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const hostile = fc.oneof(
  oneOf(NAMES.map(({ text }) => Buffer.from(text).toString('latin1'))),
  oneOf(POSITIONS),
  oneOf(TOKENS),
  oneOf(VALUES),
  fc.string({ maxLength: 20 }),
);
const encoded = fc.oneof(
  { weight: 3, arbitrary: hostile.map((text) => encodeURIComponent(wellFormed(text))) },
  { weight: 1, arbitrary: hostile },
);
const query = fc
  .array(fc.tuple(oneOf(PARAMETERS), encoded), { maxLength: 4 })
  .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`));
const path = fc.oneof(
  { weight: 12, arbitrary: oneOf(PATHS) },
  { weight: 1, arbitrary: oneOf(['*', '//', '/%', '/..', '/publish/', '/PUBLISH', '']) },
);
const target = fc
  .tuple(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: oneOf(['http://a', 'HTTP://u:p@a:1', 'a:443', 'ftp://a']) },
    ),
    path,
    query,
  )
  .map((parts) => parts.join(''));
const header = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(oneOf(HEADERS), hostile).map(([name, value]) => `${name}: ${value}`) },
  { weight: 1, arbitrary: oneOf(BAD_LINES) },
);
const body = fc.oneof(
  fc.constant(''),
  oneOf(JSON_TEXTS).map((text) => Buffer.from(text).toString('latin1')),
  oneOf(XML_TEXTS),
  fc.string({ maxLength: 200 }),
);

/** How the length of a body is said. */
const framing = fc.oneof(
  { weight: 6, arbitrary: fc.constant((text: string) => [`Content-Length: ${text.length}\r\n`, text]) },
  { weight: 3, arbitrary: fc.constant((text: string) => ['Transfer-Encoding: chunked\r\n', chunked(text)]) },
  { weight: 1, arbitrary: fc.constant((text: string) => [`Content-Length: ${text.length + 3}\r\n`, text]) },
  {
    weight: 1,
    arbitrary: fc.constant((text: string) => [
      `Content-Length: ${text.length}\r\nTransfer-Encoding: chunked\r\n`,
      chunked(text),
    ]),
  },
  { weight: 1, arbitrary: fc.constant((text: string) => ['', text]) },
);

const get = fc
  .tuple(fc.constantFrom('GET', 'GET', 'GET', 'HEAD'), target, fc.array(header, { maxLength: 3 }))
  .map(([method, where, headers]) => `${[`${method} ${where} HTTP/1.1`, 'Host: a', ...headers].join('\r\n')}\r\n\r\n`);
const post = fc
  .tuple(oneOf(PATHS.slice(2, 7)), oneOf(TYPES), fc.array(header, { maxLength: 2 }), body, framing)
  .map(([where, type, headers, text, frame]) => {
    const secret = `Authorization: Bearer ${PUBLISH_SECRET}`;
    const [length = '', framed = ''] = frame(text);
    const lines = [`POST ${where} HTTP/1.1`, 'Host: a', secret, `Content-Type: ${type}`, ...headers];
    return `${lines.join('\r\n')}\r\n${length}\r\n${framed}`;
  });
const any = fc
  .tuple(
    oneOf(METHODS),
    target,
    oneOf(['1.1', '1.1', '1.0', '2.0', '0.9', '1.1.1', '']),
    fc.array(header, { maxLength: 6 }),
    body,
  )
  .map(
    ([method, where, version, headers, text]) =>
      `${[`${method} ${where} HTTP/${version}`, ...headers].join('\r\n')}\r\n\r\n${text}`,
  );
const garbage = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));

/** Changes a text at a random place: puts something in, takes something away, or repeats something. */
const mutation = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.nat(40),
  fc.oneof(oneOf(BITS), fc.constant(''), fc.constant(undefined)),
);

const request = fc.oneof(
  { weight: 5, arbitrary: get },
  { weight: 5, arbitrary: post },
  { weight: 3, arbitrary: any },
  { weight: 1, arbitrary: garbage },
);

const text = fc
  .tuple(
    fc.array(request, { minLength: 1, maxLength: 3 }),
    fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(mutation, { maxLength: 4 }) }),
  )
  .map(([requests, mutations]) => mutations.reduce(mutate, requests.join('')));

/** Valid requests with hostile values and mistakes, several on a connection, and plain bytes. @param gateways how many there are */
export function attempts(gateways: number): fc.Arbitrary<Attempt[]> {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 2 });
  const attempt = fc
    .tuple(
      fc.nat(gateways - 1),
      text,
      fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: cuts }),
    )
    .map(([gateway, sent, at]) => ({ gateway, pieces: cut(Buffer.from(sent, 'latin1'), at) }));
  return fc.array(attempt, { minLength: 1, maxLength: 12 });
}

function mutate(before: string, [share, length, bit]: [number, number, string | undefined]): string {
  const at = Math.floor(share * before.length);
  const repeated = bit === undefined ? before.slice(at, at + length) : bit;
  return before.slice(0, at) + repeated + before.slice(bit === '' ? at + length : at);
}

function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const places = [0, ...shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

function chunked(text: string): string {
  return text === '' ? '0\r\n\r\n' : `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
}

/** `encodeURIComponent` takes no half of a surrogate pair. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '?');
}
