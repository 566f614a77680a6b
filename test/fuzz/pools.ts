import { PUBLISH_SECRET } from '../support/publisher.ts';

/** A poll session that is there. */
export const SESSION = 'f'.repeat(32);

/** All paths. A new route gets its line here, and its body in `BODIES`. */
export const PATHS = [
  '/',
  '/stream',
  '/rt',
  '/rt/sync',
  '/publish',
  '/grant',
  '/revoke',
  '/tokens',
  '/disconnect',
  '/sock.it/poll-start',
  `/sock.it/${SESSION}/poll`,
  '/sock.it/nobody/poll',
  '/healthz',
  '/readyz',
  '/status',
  '/metrics',
];
/** Those that take a body. */
export const POSTS = [
  ...['/publish', '/publish', '/rt', '/grant', '/revoke', '/tokens', '/disconnect', '/sock.it/poll-start'],
  ...[`/sock.it/${SESSION}/poll`, `/sock.it/${SESSION}/poll-msg`, `/sock.it/${SESSION}/send`, '/sock.it/x/poll-msg'],
];
/** Streams that open in each mode, if a gateway lets them; the first is none. */
export const GOOD_QUERIES = [
  '',
  '?user=fuzz',
  '?user=fuzz&format=json',
  '?user=fuzz&since=1',
  '?user=fuzz&overlap=5',
  '?access_token=a.b.c',
  '?c=news:1&m=7',
];
/** Header lines that may be sent to any path. The first ones are credentials. */
export const GOOD_HEADERS = [
  ...[
    'X-Sisyphus-User: fuzz',
    'Cookie: s=1',
    'Cookie: s=2; t=3',
    'Authorization: Bearer a.b.c',
    'Last-Event-ID: 1795206467123456',
  ],
  ...[
    'Last-Event-ID: x',
    'Origin: https://a.example',
    'Origin: null',
    'Accept: */*',
    'Connection: close',
    'Idempotency-Key: fuzz',
  ],
  ...['X-Forwarded-For: 10.0.0.1', 'Content-Encoding: identity', 'Expect: 100-continue', 'A: b'],
];
export const METHODS = [
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
export const PARAMETERS = [
  'user',
  'format',
  'lastEventId',
  'since',
  'overlap',
  'access_token',
  'c',
  'm',
  '__proto__',
  'toString',
  'user[]',
  '',
];
export const POSITIONS = [
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
export const TOKENS = [
  'a.b.c',
  'eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.',
  'x'.repeat(5000),
  '',
  '.',
  '....',
  'a b',
  PUBLISH_SECRET,
];
export const JSON_TEXTS = [
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
  '["a","\\ud800"]',
  '["a",["b"]]',
  '"',
  '{',
  'null',
  '1e1000',
  '\ufeff{}',
  '{"a":1}\n{"a":2}',
];
export const XML_TEXTS = [
  '<messages><message channel="room:fuzz">x</message></messages>',
  '<messages><message channel="room:fuzz" event="e"><![CDATA[ ]]>]]&gt;<!-- - --></message></messages>',
  '<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><messages><message channel="room:fuzz">&b;</message></messages>',
  '<messages><message channel="&#x72;oom:fuzz">&#0;&#xd800;&#x110000;&nope;</message></messages>',
  '<?xml version="1.0" encoding="UTF-16"?><messages/>',
  `<messages>${'<a>'.repeat(2000)}`,
  '<messages><message channel="room:fuzz" channel="x">x</message></messages>',
];
export const TYPES = [
  ...['application/json', 'application/x-ndjson', 'application/jsonl', 'application/xml', 'text/xml; charset="utf-8"'],
  ...['application/json; charset=utf-16', 'multipart/form-data; boundary=x', 'text/plain', '', 'a'.repeat(300)],
];
export const HEADERS = [
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
export const VALUES = [
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
export const BAD_LINES = [
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
export const BITS = [
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
