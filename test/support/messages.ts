import fc from 'fast-check';
import type { Message } from '../../src/message/message.ts';
import { type Place, placeOf } from '../../src/message/place.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import type { Change, RightsChange } from '../../src/message/rights-change.ts';

/** A recorded message, for tests that need one and care for a few of its fields. */
export function aMessage(fields: Partial<Message> = {}): Message {
  const { id = 1_795_206_467_123_456 as Position } = fields;
  return {
    channel: 'room:918',
    id,
    place: placeOf(id),
    revision: 12,
    previous: BEGINNING,
    event: undefined,
    payload: Buffer.from('hello'),
    oversize: false,
    trace: undefined,
    rights: undefined,
    ...fields,
  };
}

/** Pieces that could end a frame, start a field, or not be text at all. */
const TRAPS = [
  ...['\r', '\n', '\r\n', '\n\n', 'data: x', 'data:', 'id: 1', 'event: reset', 'retry: 1', ':', ' ', '', '\t', '\0'],
  ...['\ufeff', '\u2028', '\u0085', 'é', '😀', '\u{10ffff}', '<message/>', '{"a":1}', '"', '12345678901234567890'],
].map((text) => Buffer.from(text));
const NOT_UTF8 = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0xc0, 0x80]].map((bytes) => Buffer.from(bytes));

/** What a publisher may send: any bytes, any text, and above all what could break a frame. */
export const payloads: fc.Arbitrary<Buffer> = fc.oneof(
  fc.array(fc.constantFrom(...TRAPS, ...NOT_UTF8), { maxLength: 12 }).map((pieces) => Buffer.concat(pieces)),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
);

/** As the standard has a client see it: U+FFFD for what is no UTF-8, every line end a `\n`. */
export function asRead(payload: Buffer): string {
  return payload.toString('utf8').replace(/\r\n|\r/g, '\n');
}

export const positions: fc.Arbitrary<Position> = fc
  .integer({ min: 1, max: 9_007_199_254_740_990 })
  .map((value) => value as Position);

export const channels: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('room:918', 'user:7', '__proto__', 'constructor', 'a'.repeat(128), 'user:a+b@c.d'),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,40}$/),
);

export const eventNames: fc.Arbitrary<string | undefined> = fc.option(fc.stringMatching(/^[A-Za-z0-9_.:-]{1,20}$/), {
  nil: undefined,
});

const beginningOr = fc.oneof(positions, fc.constant(BEGINNING));

export const places: fc.Arbitrary<Place> = fc.record({ id: beginningOr, number: fc.nat(1000) });

const changes: fc.Arbitrary<Change> = fc
  .record({
    channel: channels,
    kind: fc.constantFrom('granted' as const, 'revoked' as const),
    place: places,
    was: fc.option(places, { nil: undefined }),
  })
  .map(({ was, ...change }) => (was ? { ...change, was } : change));

export const rightsChanges: fc.Arbitrary<RightsChange> = fc.record({
  before: positions,
  now: positions,
  changes: fc.option(fc.array(changes, { maxLength: 4 }), { nil: undefined }),
});

const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
    .filter((digits) => /[^0]/.test(digits));

/** As the header `traceparent` has them. */
export const traces: fc.Arbitrary<string> = fc
  .tuple(hex(32), hex(16), fc.constantFrom('00', '01', 'ff'))
  .map(([trace, span, flags]) => `00-${trace}-${span}-${flags}`);

/** Any message that may travel. */
export const messages: fc.Arbitrary<Message> = fc
  .record({
    channel: channels,
    id: positions,
    revision: fc.integer({ min: 1 }),
    previous: beginningOr,
    plain: fc.option(places, { nil: undefined }),
    event: eventNames,
    payload: payloads,
    oversize: fc.boolean(),
    trace: fc.option(traces, { nil: undefined }),
    rights: fc.option(rightsChanges, { nil: undefined }),
  })
  .map(({ plain, ...fields }) => {
    const previous = fields.previous < fields.id ? fields.previous : BEGINNING;
    const place = plain ? { ...plain, number: plain.number + 1 } : placeOf(fields.id);
    return aMessage({ ...fields, previous, place });
  });
