import { SisyphusError } from '../errors.ts';
import { membersOf } from '../message/json-source.ts';

const LONE_SURROGATE = /\p{Surrogate}/u;

/** The media type in small letters. @throws SisyphusError `unsupported_type` for a charset other than UTF-8 */
export function mediaTypeOf(contentType = ''): string {
  const [type = '', ...parameters] = contentType.toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1])
    .find(Boolean);
  if (charset !== undefined && !/^utf-?8$/.test(charset)) {
    throw new SisyphusError('unsupported_type', `charset ${JSON.stringify(charset.slice(0, 40))}: expected utf-8`);
  }
  return type.trim();
}

/** @param expected the supported types, for the message of the error */
export function unsupported(type: string, expected: string): SisyphusError {
  const given = JSON.stringify(type.slice(0, 80));
  return new SisyphusError('unsupported_type', `content type ${given}: expected ${expected}`);
}

/** Decodes a body. @throws SisyphusError `bad_json` if it is not valid UTF-8 */
export function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new SisyphusError('bad_json', 'the body has bytes that are no UTF-8: expected UTF-8', { cause: error });
  }
}

/**
 * @param what the subject of the message of the error, such as `the body`
 * @throws SisyphusError `bad_json`
 */
export function parseJson(text: string, what: string, example: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The message of the error may end with a part of the text, which is a message, or may be a token.
    const reason = String((error as Error).message).replace(/(?:, (?:\.{3})?)?".*$/s, '') || 'unexpected text';
    throw new SisyphusError('bad_json', `${what} is no JSON (${reason}): expected ${example}`, { cause: error });
  }
}

/** A JSON object that has only members that its route knows, together with the text that it was parsed from. */
export class JsonObject {
  readonly #members: Record<string, unknown>;
  readonly #source: string;

  /**
   * @param source the text that `value` was parsed from
   * @param known the names of all members that the route knows
   * @throws SisyphusError `bad_request` if it is no object, or has an unknown member
   */
  constructor(value: unknown, source: string, known: readonly string[], { what, example }: Named) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SisyphusError('bad_request', `${what} is no JSON object: expected ${example}`);
    }
    const stranger = Object.keys(value).find((key) => !known.includes(key));
    if (stranger !== undefined) {
      const name = JSON.stringify(stranger.slice(0, 60));
      const others = known.slice(0, -1).join(', ');
      const expected = `expected ${others && `${others} and `}${known.at(-1)}`;
      throw new SisyphusError('bad_request', `member ${name} is unknown: ${expected}`);
    }
    this.#members = value as Record<string, unknown>;
    this.#source = source;
  }

  /** The parsed value; `undefined` if the member is missing, even if the prototype has the name. */
  get(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
  }

  /** The digits of an integer as they were sent, because `JSON.parse` rounds 64-bit ids; any other value as it was parsed. */
  textOrInteger(name: string): unknown {
    const value = this.get(name);
    if (typeof value !== 'number') return value;
    const source = this.#sourceOf(name);
    return /^\d+$/.test(source) ? source : value;
  }

  /**
   * The member as bytes to publish: the text of a string, or the JSON of anything else as it was sent; `undefined` if it is missing.
   *
   * @throws SisyphusError `bad_json` if a string has half of a surrogate pair
   */
  bytes(name: string): Buffer | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') return Buffer.from(this.#sourceOf(name));
    if (LONE_SURROGATE.test(value)) {
      const text = `${name} holds half of a surrogate pair: expected both halves, such as \\ud83d\\ude00`;
      throw new SisyphusError('bad_json', text);
    }
    return Buffer.from(value);
  }

  #sourceOf(name: string): string {
    return membersOf(this.#source).get(name)!;
  }
}

/**
 * Parses a body that is one JSON object.
 *
 * @param known the names of all members that the route knows
 * @throws SisyphusError `bad_json`, `bad_request`, `unsupported_type`
 */
export function jsonObjectOf(
  contentType: string | undefined,
  body: Buffer,
  known: string[],
  example: string,
): JsonObject {
  const type = mediaTypeOf(contentType);
  if (type !== 'application/json') throw unsupported(type, 'application/json');
  const text = textOf(body);
  return new JsonObject(parseJson(text, 'the body', example), text, known, { what: 'the body', example });
}

interface Named {
  /** The subject of the message of the error, such as `the body`. */
  what: string;
  example: string;
}

/**
 * @param maxMessage in bytes
 * @param which names the message of a batch, and ends with `: `; empty for a single message
 * @throws SisyphusError `too_large`
 */
export function requireSize(data: Buffer, maxMessage: number, which = ''): void {
  if (data.length <= maxMessage) return;
  throw new SisyphusError('too_large', `${which}data has ${data.length} bytes: expected up to ${maxMessage}`);
}
