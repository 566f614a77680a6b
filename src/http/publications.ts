import type { Publication } from '../backlog/backlog.ts';
import { SisyphusError } from '../errors.ts';
import { requireChannel, requireEvent } from '../message/names.ts';
import { parseXmlBatch } from '../message/xml.ts';
import { elementsOf, membersOf } from './json-source.ts';

export interface Publications {
  publications: Publication[];
  /** One JSON object was sent, and one result is expected rather than a list. */
  single: boolean;
}

const MAX_MESSAGES = 1_000;
const MEMBERS = new Set(['channel', 'data', 'event']);
const LONE_SURROGATE = /\p{Surrogate}/u;
const RIGHT = '{"channel":"room:918","data":"…"} is right';

/**
 * What the body of `POST /publish` asks for: all of it valid, or a refusal that names the first message that is not.
 *
 * @param limits.maxMessage in bytes
 * @throws SisyphusError `bad_*`, `too_large`, `unsupported_type`
 */
export function parsePublications(
  contentType: string | undefined,
  body: Buffer,
  limits: { maxMessage: number },
): Publications {
  const { publications, single } = read(mediaType(contentType), body);
  if (publications.length === 0)
    throw new SisyphusError('bad_request', 'the body holds no message: one or more are right');
  publications.forEach(({ data }, index) => {
    if (data.length <= limits.maxMessage) return;
    const which = single ? '' : `message [${index}]: `;
    throw new SisyphusError('too_large', `${which}data has ${data.length} bytes: up to ${limits.maxMessage} are right`);
  });
  return { publications, single };
}

function read(type: string, body: Buffer): Publications {
  switch (type) {
    case 'application/json':
      return readJson(decode(body));
    case 'application/x-ndjson':
    case 'application/jsonl':
      return { publications: readLines(decode(body)), single: false };
    case 'application/xml':
    case 'text/xml':
      return { publications: readXml(body), single: false };
    default:
      throw new SisyphusError(
        'unsupported_type',
        `content type ${JSON.stringify(type.slice(0, 80))}: application/json, application/x-ndjson or application/xml is right`,
      );
  }
}

function readJson(text: string): Publications {
  const value = parse(text, 'the body');
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
    publications.push(within(which, () => toPublication(parse(line, 'the line'), line)));
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

/** @param source the text that `value` was parsed from */
function toPublication(value: unknown, source: string): Publication {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SisyphusError('bad_request', `a message is a JSON object: ${RIGHT}`);
  }
  const stranger = Object.keys(value).find((key) => !MEMBERS.has(key));
  if (stranger !== undefined) {
    const name = JSON.stringify(stranger.slice(0, 60));
    throw new SisyphusError('bad_request', `member ${name} is unknown: channel, data and event are right`);
  }
  const { channel, data, event } = value as { channel?: unknown; data?: unknown; event?: unknown };
  if (data === undefined) throw new SisyphusError('bad_request', `data is missing: ${RIGHT}`);
  return {
    channel: requireChannel(channel),
    data: toBytes(data, source),
    ...(event === undefined || event === null ? {} : { event: requireEvent(event) }),
  };
}

function toBytes(data: unknown, source: string): Buffer {
  if (typeof data !== 'string') return Buffer.from(membersOf(source).get('data')!);
  if (LONE_SURROGATE.test(data)) {
    throw new SisyphusError('bad_json', 'data holds half of a surrogate pair: \\ud83d\\ude00, both halves, are right');
  }
  return Buffer.from(data);
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SisyphusError('bad_json', `${what} is no JSON (${reason}): ${RIGHT}`, { cause: error });
  }
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new SisyphusError('bad_json', 'the body is no valid UTF-8', { cause: error });
  }
}

function mediaType(contentType = ''): string {
  const [type = '', ...parameters] = contentType.toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1])
    .find(Boolean);
  if (charset !== undefined && !/^utf-?8$/.test(charset)) {
    throw new SisyphusError('unsupported_type', `charset ${JSON.stringify(charset.slice(0, 40))}: utf-8 is right`);
  }
  return type.trim();
}

function limit(count: number): void {
  if (count <= MAX_MESSAGES) return;
  throw new SisyphusError('bad_request', `more than ${MAX_MESSAGES} messages: send several batches`);
}

/** Says which message of a batch is meant, counted from 0 as in an array. */
function within<T>(which: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SisyphusError)) throw error;
    throw new SisyphusError(error.code, `${which}: ${error.message}`, { cause: error });
  }
}
