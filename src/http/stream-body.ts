import { SisyphusError } from '../errors.ts';
import { JsonObject, mediaTypeOf, parseJson, textOf, unsupported } from './json-body.ts';

const MEMBERS = ['channels', 'since', 'overlap', 'format'];
const EXAMPLE = '{"channels":["news:1"]}';

/**
 * Parses the body of `POST /stream`, which has the parameters of the address as members, for clients that follow more channels than an
 * address has room for.
 *
 * @returns the parameters, to be added to those of the address
 * @throws SisyphusError `bad_json`, `bad_request`, `unsupported_type`
 */
export function parseStreamBody(contentType: string | undefined, body: Buffer): URLSearchParams {
  const type = mediaTypeOf(contentType);
  if (type !== 'application/json') throw unsupported(type, 'application/json');
  const text = textOf(body);
  const names = { what: 'the body', example: EXAMPLE };
  const object = new JsonObject(parseJson(text, 'the body', EXAMPLE), text, MEMBERS, names);
  const parameters = new URLSearchParams(
    channelsOf(object.get('channels')).map((channel): [string, string] => ['c', channel]),
  );
  for (const name of MEMBERS.slice(1)) {
    const value = object.textOrInteger(name);
    if (value === undefined || value === null) continue;
    if (typeof value !== 'string')
      throw new SisyphusError('bad_request', `${name} is no text: expected ${example(name)}`);
    parameters.append(name, value);
  }
  return parameters;
}

function channelsOf(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const expected = 'expected one with names, such as ["room:918","news:1"]';
  // Without any name the stream would have all that the user may read, and not nothing.
  if (Array.isArray(value) && value.length === 0) {
    throw new SisyphusError(
      'bad_request',
      `channels is an empty list: ${expected}, or none for all that the user may read`,
    );
  }
  if (Array.isArray(value) && value.every((channel) => typeof channel === 'string')) return value;
  throw new SisyphusError('bad_request', `channels is no list of names: ${expected}`);
}

function example(name: string): string {
  return { since: '"1795206467123456"', overlap: '10', format: '"json"' }[name]!;
}
