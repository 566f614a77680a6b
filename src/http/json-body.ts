import { SisyphusError } from '../errors.ts';
import { membersOf } from './json-source.ts';

const LONE_SURROGATE = /\p{Surrogate}/u;

/** The media type in small letters, if the body can be read as UTF-8. @throws SisyphusError `unsupported_type` */
export function mediaTypeOf(contentType = ''): string {
  const [type = '', ...parameters] = contentType.toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1])
    .find(Boolean);
  if (charset !== undefined && !/^utf-?8$/.test(charset)) {
    throw new SisyphusError('unsupported_type', `charset ${JSON.stringify(charset.slice(0, 40))}: utf-8 is right`);
  }
  return type.trim();
}

/** @param expected the types that are right, for the refusal */
export function unsupported(type: string, expected: string): SisyphusError {
  const given = JSON.stringify(type.slice(0, 80));
  return new SisyphusError('unsupported_type', `content type ${given}: ${expected} is right`);
}

/** @throws SisyphusError `bad_json` if it is no UTF-8 */
export function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new SisyphusError('bad_json', 'the body is no valid UTF-8', { cause: error });
  }
}

/** @throws SisyphusError `bad_json` */
export function parseJson(text: string, what: string, example: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SisyphusError('bad_json', `${what} is no JSON (${reason}): ${example} is right`, { cause: error });
  }
}

/** A JSON object with the members that its route knows, and with the text that it was parsed from. */
export class JsonObject {
  readonly #members: Record<string, unknown>;
  readonly #source: string;

  /**
   * @param source the text that `value` was parsed from
   * @throws SisyphusError `bad_request`
   */
  constructor(value: unknown, source: string, known: readonly string[], { what, example }: Named) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SisyphusError('bad_request', `${what} is a JSON object: ${example} is right`);
    }
    const stranger = Object.keys(value).find((key) => !known.includes(key));
    if (stranger !== undefined) {
      const name = JSON.stringify(stranger.slice(0, 60));
      const expected = `${known.slice(0, -1).join(', ')} and ${known.at(-1)} are right`;
      throw new SisyphusError('bad_request', `member ${name} is unknown: ${expected}`);
    }
    this.#members = value as Record<string, unknown>;
    this.#source = source;
  }

  /** `undefined` for a missing member, whatever the prototype has. */
  get(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
  }

  /** For an integer its digits as they were sent, because `JSON.parse` rounds 64-bit ids; else the value. */
  textOrInteger(name: string): unknown {
    const value = this.get(name);
    if (typeof value !== 'number') return value;
    const source = this.#sourceOf(name);
    return /^\d+$/.test(source) ? source : value;
  }

  /** The bytes to publish: a string itself, anything else as its JSON. @throws SisyphusError `bad_json` */
  bytes(name: string): Buffer | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') return Buffer.from(this.#sourceOf(name));
    if (LONE_SURROGATE.test(value)) {
      const text = `${name} holds half of a surrogate pair: \\ud83d\\ude00, both halves, are right`;
      throw new SisyphusError('bad_json', text);
    }
    return Buffer.from(value);
  }

  #sourceOf(name: string): string {
    return membersOf(this.#source).get(name)!;
  }
}

interface Named {
  /** What the object is. */
  what: string;
  example: string;
}

/** @param which the message in a batch, with `: `, or nothing */
export function requireSize(data: Buffer, maxMessage: number, which = ''): void {
  if (data.length <= maxMessage) return;
  throw new SisyphusError('too_large', `${which}data has ${data.length} bytes: up to ${maxMessage} are right`);
}
