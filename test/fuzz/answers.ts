import { FrameReader } from '../support/frames.ts';

const STATUS = /^HTTP\/1\.1 (\d{3}) [ -~]*$/;
const HEADER = /^([\w!#$%&'*+.^`|~-]+): ?([\t -~]*)$/;

/**
 * Checks all that a gateway has sent on one connection: whole answers one behind the other, at most one stream, which is the last, and no
 * mistake of the gateway's own.
 *
 * @param mayHaveNoBody a request of the connection may have been HEAD, whose answer has a length and no body
 * @returns a word for each answer: its status, its error code, or `stream`
 * @throws Error that says what is wrong
 */
export function checkAnswers(bytes: Buffer, mayHaveNoBody: boolean): string[] {
  const words: string[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const { status, headers, end } = headOf(rest);
    rest = rest.subarray(end);
    words.push(String(status));
    if (status < 200 || status === 204 || status === 304) continue;
    if (status === 500) throw new Error(`status 500: ${rest.toString('latin1', 0, 300)}`);
    if (headers.get('content-type') === 'text/event-stream') {
      if (rest.length === 0 && mayHaveNoBody) continue;
      return [...words, ...checkFrames(rest)];
    }
    const isBodiless = mayHaveNoBody && (rest.length === 0 || rest.toString('latin1', 0, 9) === 'HTTP/1.1 ');
    if (isBodiless) continue;
    const { body, after } = bodyOf(rest, headers);
    words.push(...checkBody(body.toString(), status, headers));
    rest = after;
  }
  return words;
}

/** The body of an answer by its length, by its chunks, or by the end of the connection, and what comes behind it. */
function bodyOf(bytes: Buffer, headers: Map<string, string>): { body: Buffer; after: Buffer } {
  const coding = headers.get('transfer-encoding');
  const length = headers.get('content-length');
  if (coding !== undefined && (coding !== 'chunked' || length !== undefined)) throw new Error(`an answer in ${coding}`);
  if (coding === 'chunked') return chunksOf(bytes);
  if (length === undefined) {
    if (headers.get('connection') !== 'close') throw new Error('an answer without an end');
    return { body: bytes, after: Buffer.alloc(0) };
  }
  if (!(Number(length) <= bytes.length)) throw new Error(`an answer was cut: ${bytes.length} of ${length} bytes`);
  return { body: bytes.subarray(0, Number(length)), after: bytes.subarray(Number(length)) };
}

function chunksOf(bytes: Buffer): { body: Buffer; after: Buffer } {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf('\r\n', at);
    const size = /^[\da-f]+$/i.test(bytes.toString('latin1', at, line))
      ? Number.parseInt(bytes.toString('latin1', at, line), 16)
      : -1;
    const end = line + 2 + size;
    if (line < 0 || size < 0 || bytes.toString('latin1', end, end + 2) !== '\r\n')
      throw new Error('an answer of broken chunks');
    if (size === 0) return { body: Buffer.concat(parts), after: bytes.subarray(end + 2) };
    parts.push(bytes.subarray(line + 2, end));
    at = end + 2;
  }
}

interface Head {
  status: number;
  headers: Map<string, string>;
  end: number;
}

function headOf(bytes: Buffer): Head {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`a head without an end: ${JSON.stringify(bytes.toString('latin1', 0, 300))}`);
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const [, status] = STATUS.exec(first) ?? [];
  if (status === undefined) throw new Error(`no status line: ${JSON.stringify(first.slice(0, 300))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ''] = HEADER.exec(line) ?? [];
    if (name === undefined) throw new Error(`no header: ${JSON.stringify(line.slice(0, 300))}`);
    headers.set(name.toLowerCase(), value);
  }
  return { status: Number(status), headers, end: end + 4 };
}

const METRICS = 'text/plain; version=0.0.4; charset=utf-8';

/** The answer of `/metrics`: comments, and names with labels and a number. */
function checkMetrics(text: string): string[] {
  const wrong = text.split('\n').find((line) => !/^(?:#.*|sisyphus_\w+(?:\{[^{}]*\})? [\d.e+-]+)?$/.test(line));
  if (wrong !== undefined) throw new Error(`no line of metrics: ${wrong.slice(0, 300)}`);
  return [];
}

function checkBody(text: string, status: number, headers: Map<string, string>): string[] {
  if (text === '') return [];
  const type = headers.get('content-type') ?? '';
  if (type === 'text/plain; charset=utf-8' && status === 200) return checkPlain(text);
  if (type === METRICS && status === 200) return checkMetrics(text);
  if (!type.startsWith('application/json')) throw new Error(`an answer of the type ${type}: ${text.slice(0, 300)}`);
  const { error, message } = JSON.parse(text) as { error?: string; message?: string };
  if (status >= 400 && status !== 503 && (typeof error !== 'string' || typeof message !== 'string')) {
    throw new Error(`an answer without a code: ${text.slice(0, 300)}`);
  }
  if (error === 'internal') throw new Error(`a mistake in the gateway: ${text}`);
  return error === undefined ? [] : [error];
}

function checkFrames(bytes: Buffer): string[] {
  const reader = new FrameReader();
  const [first] = reader.push(bytes, 0);
  if (reader.unfinished.length > 0)
    throw new Error(`half a frame: ${reader.unfinished.toString('latin1').slice(0, 300)}`);
  if (first?.fields.join() !== 'id,data,retry') throw new Error(`a first frame with ${first?.fields.join()}`);
  if (first.comments.some((comment) => comment === 'internal')) throw new Error('a mistake in the gateway');
  return [/ok/.test(first.data ?? '') ? 'stream' : (first.comments[0] ?? 'a refusal')];
}

/** The answer of a poll session: a name, or an array of texts. */
function checkPlain(text: string): string[] {
  if (/^poll-start=(?:u-)?[0-9a-f]{32}$/.test(text)) return ['poll-start'];
  const messages = JSON.parse(text) as unknown;
  if (Array.isArray(messages) && messages.every((message) => typeof message === 'string')) return ['poll'];
  throw new Error(`an answer that is no array of strings: ${text.slice(0, 300)}`);
}
