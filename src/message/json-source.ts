/**
 * The text of each member of a JSON object by its key, exactly as it was sent, because `JSON.parse` would round 64-bit ids, and data
 * is delivered byte for byte. If a key is repeated, the last member counts, as with `JSON.parse`.
 *
 * @param text an object, valid JSON (`JSON.parse` accepted it)
 */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at);
    const start = skipSpace(text, text.indexOf(':', keyEnd) + 1);
    const end = endOfValue(text, start);
    members.set(JSON.parse(text.slice(at, keyEnd)) as string, text.slice(start, end));
    at = skipSeparator(text, end);
  }
  return members;
}

/** The text of each element of a JSON array, exactly as it was sent. @param text an array, valid JSON */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let at = skipSpace(text, text.indexOf('[') + 1);
  while (text[at] !== ']') {
    const end = endOfValue(text, at);
    elements.push(text.slice(at, end));
    at = skipSeparator(text, end);
  }
  return elements;
}

const SPACE = /[ \t\r\n]*/y;
const SCALAR = /[^,\]} \t\r\n]*/y;
const PLAIN = /[^"[\]{}]*/y;

function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== '{' && text[start] !== '[') return skip(SCALAR, text, start);
  let depth = 0;
  for (let at = start; ; at = skip(PLAIN, text, at)) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
      continue;
    }
    depth += character === '{' || character === '[' ? 1 : -1;
    at += 1;
    if (depth === 0) return at;
  }
}

/** A quote ends the string unless an odd number of backslashes stands before it. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function skipSeparator(text: string, at: number): number {
  const end = skipSpace(text, at);
  return text[end] === ',' ? skipSpace(text, end + 1) : end;
}

function skipSpace(text: string, at: number): number {
  return skip(SPACE, text, at);
}

function skip(expression: RegExp, text: string, at: number): number {
  expression.lastIndex = at;
  return expression.test(text) ? expression.lastIndex : at;
}
