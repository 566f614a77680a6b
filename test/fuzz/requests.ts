import fc from 'fast-check';
import { NAMES } from '../hostile/names.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import {
  BAD_LINES,
  BITS,
  GOOD_HEADERS,
  GOOD_QUERIES,
  HEADERS,
  JSON_TEXTS,
  METHODS,
  PARAMETERS,
  PATHS,
  POSITIONS,
  POSTS,
  TOKENS,
  TYPES,
  VALUES,
  XML_TEXTS,
} from './pools.ts';

/** What is sent on one connection: to which gateway, and in which pieces. */
export interface Attempt {
  gateway: number;
  pieces: Buffer[];
}

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
const pairs = fc
  .array(fc.tuple(oneOf(PARAMETERS), encoded), { minLength: 1, maxLength: 3 })
  .map((all) => all.map(([name, value]) => `${name}=${value}`).join('&'));
const query = fc.oneof(
  oneOf(GOOD_QUERIES),
  pairs.map((text) => `?${text}`),
  fc.tuple(oneOf(GOOD_QUERIES.slice(1)), pairs).map(([good, text]) => `${good}&${text}`),
);
const path = fc.oneof(
  { weight: 10, arbitrary: oneOf(PATHS.slice(0, 2)) },
  { weight: 6, arbitrary: oneOf(PATHS) },
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
  { weight: 10, arbitrary: oneOf(GOOD_HEADERS) },
  { weight: 2, arbitrary: fc.tuple(oneOf(HEADERS), hostile).map(([name, value]) => `${name}: ${value}`) },
  { weight: 1, arbitrary: oneOf(BAD_LINES) },
);
const body = fc.oneof(
  fc.constant(''),
  oneOf(JSON_TEXTS.slice(0, 8)).map((text) => text),
  oneOf(JSON_TEXTS).map((text) => Buffer.from(text).toString('latin1')),
  oneOf(XML_TEXTS),
  fc.string({ maxLength: 200 }),
);

/** How the length of a body is said. */
const framing = fc.oneof(
  { weight: 12, arbitrary: fc.constant((text: string) => [`Content-Length: ${text.length}\r\n`, text]) },
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
  .tuple(
    oneOf(POSTS),
    fc.oneof(oneOf(TYPES.slice(0, 1)), oneOf(TYPES)),
    fc.array(header, { maxLength: 2 }),
    body,
    framing,
  )
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

/** A place in a text. */
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** Changes a text at a random place: puts something in, takes something away, or repeats something. */
const mutation = fc.tuple(share, fc.nat(40), fc.oneof(oneOf(BITS), fc.constant(''), fc.constant(undefined)));

const request = fc.oneof(
  { weight: 8, arbitrary: get },
  { weight: 8, arbitrary: post },
  { weight: 3, arbitrary: any },
  { weight: 1, arbitrary: garbage },
);

const text = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: request.map((one) => [one]) },
      { weight: 1, arbitrary: fc.array(request, { minLength: 2, maxLength: 4 }) },
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(mutation, { maxLength: 4 }) }),
  )
  .map(([requests, mutations]) => mutations.reduce(mutate, requests.join('')));
/** Also the beginning of a request, and nothing. */
const whole = fc.oneof(
  { weight: 12, arbitrary: text },
  { weight: 1, arbitrary: fc.tuple(text, share).map(([all, part]) => all.slice(0, Math.floor(part * all.length))) },
  { weight: 1, arbitrary: fc.tuple(text, fc.nat(12)).map(([all, length]) => all.slice(0, length)) },
);

/** Valid requests with hostile values and mistakes, several on a connection, and plain bytes. @param gateways how many there are */
export function attempts(gateways: number): fc.Arbitrary<Attempt[]> {
  const cuts = fc.array(share, { maxLength: 2 });
  const attempt = fc
    .tuple(
      fc.nat(gateways - 1),
      whole,
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
