import type { Publication } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';
import { elementsOf } from '../message/json-source.ts';
import { requireChannel, requireEvent } from '../message/names.ts';
import { parseXmlBatch } from '../message/xml.ts';
import { JsonObject, mediaTypeOf, parseJson, requireSize, textOf, unsupported } from './json-body.ts';

export interface Publications {
  publications: Publication[];
  /** The body is one JSON object, so the client expects one result rather than a list. */
  single: boolean;
}

const MAX_MESSAGES = 1_000;
const MEMBERS = ['channel', 'data', 'event'];
const EXAMPLE = '{"channel":"room:918","data":"…"}';

/**
 * Parses the body of `POST /publish`. If a message is invalid, the whole body is refused, and the error names that message.
 *
 * @param limits.maxMessage the largest message (bytes)
 * @throws SisyphusError `bad_*`, `too_large`, `unsupported_type`
 */
export function parsePublications(
  contentType: string | undefined,
  body: Buffer,
  limits: { maxMessage: number },
): Publications {
  const { publications, single } = read(mediaTypeOf(contentType), body);
  if (publications.length === 0)
    throw new SisyphusError('bad_request', 'the body holds no message: expected one or more');
  publications.forEach(({ data }, index) => {
    requireSize(data, limits.maxMessage, single ? '' : `message [${index}]: `);
  });
  return { publications, single };
}

function read(type: string, body: Buffer): Publications {
  switch (type) {
    case 'application/json':
      return readJson(textOf(body));
    case 'application/x-ndjson':
    case 'application/jsonl':
      return { publications: readLines(textOf(body)), single: false };
    case 'application/xml':
    case 'text/xml':
      return { publications: readXml(body), single: false };
    default:
      throw unsupported(type, 'application/json, application/x-ndjson or application/xml');
  }
}

function readJson(text: string): Publications {
  const value = parseJson(text, 'the body', EXAMPLE);
  if (!Array.isArray(value)) return { publications: [toPublication(value, text)], single: true };
  limit(value.length);
  const sources = elementsOf(text);
  const publications = value.map((item, index) =>
    within(`message [${index}]`, () => toPublication(item, sources[index]!)),
  );
  return { publications, single: false };
}

function readLines(text: string): Publication[] {
  const publications: Publication[] = [];
  text.split('\n').forEach((line, number) => {
    if (line.trim() === '') return;
    const which = `message [${publications.length}] (line ${number + 1})`;
    publications.push(within(which, () => toPublication(parseJson(line, 'the line', EXAMPLE), line)));
    limit(publications.length);
  });
  return publications;
}

function readXml(body: Buffer): Publication[] {
  return parseXmlBatch(body, MAX_MESSAGES).map(({ channel, event, data }, index) =>
    within(`message [${index}]`, () => ({
      channel: requireChannel(channel),
      data,
      ...(event === undefined ? {} : { event: requireEvent(event) }),
    })),
  );
}

function toPublication(value: unknown, source: string): Publication {
  const object = new JsonObject(value, source, MEMBERS, { what: 'a message', example: EXAMPLE });
  const data = object.bytes('data');
  if (data === undefined) throw new SisyphusError('bad_request', `data is missing: expected ${EXAMPLE}`);
  const event = object.get('event');
  return {
    channel: requireChannel(object.get('channel')),
    data,
    ...(event === undefined || event === null ? {} : { event: requireEvent(event) }),
  };
}

function limit(count: number): void {
  if (count <= MAX_MESSAGES) return;
  throw new SisyphusError('bad_request', `more than ${MAX_MESSAGES} messages: expected several batches`);
}

/** Runs `act`; an error gets the message of the batch in front, such as `message [2]`, counted from 0 as in an array. */
function within<T>(which: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SisyphusError)) throw error;
    throw new SisyphusError(error.code, `${which}: ${error.message}`, { cause: error });
  }
}
