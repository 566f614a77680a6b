import fc from 'fast-check';

/** What an application may publish, and what reaches a client of the standard. */
export interface Payload {
  what: string;
  data: string | Buffer;
}

/** Every 89th code point of a plane and its edges; surrogates are no characters, and line ends have cases of their own. */
function planeText(plane: number): string {
  const base = plane * 0x10000;
  let text = '';
  for (let offset = 0; offset < 0x10000; offset += 89) text += character(base + offset);
  for (const offset of [1, 0xff, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xfffe, 0xffff]) text += character(base + offset);
  return text;
}

function character(code: number): string {
  const unusable = (code >= 0xd800 && code <= 0xdfff) || code === 10 || code === 13;
  return unusable ? '' : String.fromCodePoint(code);
}

function text(what: string, data: string): Payload {
  return { what, data };
}

function bytes(...values: number[]): Payload {
  return { what: `bytes ${Buffer.from(values).toString('hex')}`, data: Buffer.from(values) };
}

export const TEXTS: readonly Payload[] = [
  text('nothing', ''),
  ...Array.from({ length: 17 }, (_, plane) => text(`plane ${plane}`, planeText(plane))),
  text('NUL', 'a\0b\0'),
  text('every control character', Array.from({ length: 32 }, (_, code) => character(code)).join('')),
  text('a lone CR', 'a\rb'),
  text('CR at the ends', '\ra\r'),
  text('CRLF', 'a\r\nb\r\n'),
  text('LF', 'a\nb'),
  text('empty lines', 'a\n\n\nb'),
  text('line ends alone', '\n'),
  text('line ends of every kind alone', '\r\r\n\n\r'),
  text('what looks like data', 'data: x\ndata:y\ndata'),
  text('what looks like an id and an end', 'id: 5\n\n'),
  text('what looks like a frame', 'x\n\nid: 5\nevent: reset\nretry: 1\ndata: y\n\n'),
  text('the same with CR', 'x\r\rid: 5\revent: reset\rretry: 1\rdata: y\r\r'),
  text('what looks like a retry', 'retry: 1'),
  text('what looks like a comment', ': comment'),
  text('a colon', ':'),
  text('spaces in front', '  x'),
  text('a space', ' '),
  text('a tab in front', '\tx'),
  text('a byte order mark in front', '\ufeffx'),
  text('a byte order mark on a second line', 'x\n\ufeffy'),
  text('line ends of other standards', 'a\u2028b\u2029c\u0085d\u000be\u000cf'),
  text('what the gateway says itself', '<message><status>ok</status></message>'),
  text('noop', 'noop'),
  text('XML', '<message a="1">&amp;&#13;<![CDATA[x]]></message>'),
  text('a DOCTYPE', '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'),
  text('256 kB', 'abcdefgh'.repeat(32_000)),
  text('256 kB of four-byte characters', '😀'.repeat(64_000)),
  // Two of the libraries take two seconds for three times as many, from any server, and keep the others waiting.
  text('3,000 line ends', '\n'.repeat(3_000)),
];

export const NOT_UTF8: readonly Payload[] = [
  bytes(0xff),
  bytes(0x61, 0xff, 0xfe, 0x62),
  bytes(0x80),
  bytes(0xc3),
  bytes(0xc3, 0x0a),
  bytes(0xc3, 0x0d, 0x0a, 0x28),
  bytes(0xc0, 0x80),
  bytes(0xe2, 0x82),
  bytes(0xed, 0xa0, 0x80),
  bytes(0xf0, 0x9f, 0x98),
  bytes(0xf4, 0x90, 0x80, 0x80),
  bytes(0xe2, 0x82, 0x61, 0xe2),
];

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text as published, each sequence of bytes that is no UTF-8 replaced as the Encoding standard says. */
export function textOf(data: string | Buffer): string {
  return typeof data === 'string' ? data : decoder.decode(data);
}

/** What an EventSource hands to its application: each line end has become a LF. */
export function decodedBy(data: string | Buffer): string {
  return textOf(data).replace(/\r\n?/g, '\n');
}

const HOSTILE = ['\r', '\n', '\r\n', '\n\n', 'data: ', 'data', 'id: 5', 'id', 'event: x', 'retry: 1', ':', ' ', '\0'];
const ODD = ['\ufeff', '\u2028', '\u0085', 'é', '😀', '\u{10ffff}', '<', '&', '"', '{', 'noop'];

/** Texts made of any character, and texts made of what means something in an event stream. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(fc.constantFrom(...HOSTILE, ...ODD), { maxLength: 30 }).map((parts) => parts.join('')),
);

export const anyBytes: fc.Arbitrary<Buffer> = fc.uint8Array({ maxLength: 60 }).map((values) => Buffer.from(values));
