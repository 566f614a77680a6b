import { SisyphusError } from '../errors.ts';
import { parseJson, textOf } from './json-body.ts';

const EXAMPLE = '["a text","another one"]';
/** The most messages in one body. */
const MOST = 1000;

/** The texts in a body that a browser has sent. @throws SisyphusError `bad_json`, `bad_request` */
export function textsOf(body: Buffer): string[] {
  const value = parseJson(textOf(body), 'the body', EXAMPLE);
  if (!isTexts(value)) throw new SisyphusError('bad_request', `the body is no array of strings: expected ${EXAMPLE}`);
  return requireFew(value);
}

/**
 * The texts in a body that the application has sent: a JSON array of strings, a JSON string, or else the body as it is, if it
 * is not empty.
 *
 * @throws SisyphusError `bad_json`, `bad_request`
 */
export function textsFrom(body: Buffer): string[] {
  const text = textOf(body);
  if (text === '') return [];
  if (!/^\s*["[]/.test(text)) return [text];
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string') return [value];
    return isTexts(value) ? requireFew(value) : [text];
  } catch {
    // A text that is no JSON is a message, too.
    return [text];
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function requireFew(texts: string[]): string[] {
  if (texts.length <= MOST) return texts;
  throw new SisyphusError('bad_request', `more than ${MOST} messages: expected several requests`);
}
