/** One block of an event stream, as it stood on the wire. */
export interface Frame {
  /** Without the empty line that ends it. */
  text: string;
  /** Field names in their order. */
  fields: string[];
  id: string | undefined;
  event: string | undefined;
  /** The `data:` lines joined by `\n`; `undefined` where there is none. */
  data: string | undefined;
  retry: number | undefined;
  /** The comment lines behind the fields of a status. */
  comments: string[];
  /** When its last byte was read, by `performance.now()`. */
  at: number;
  /** How many bytes of the body came before its end. */
  end: number;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * What the contract allows, and no more: LF only, valid UTF-8, `name: value` lines, comments only behind the `retry:` of a status.
 * Anything else throws.
 */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);
  #consumed = 0;

  push(body: Buffer, at: number): Frame[] {
    this.#pending = this.#pending.length === 0 ? body : Buffer.concat([this.#pending, body]);
    const frames: Frame[] = [];
    for (;;) {
      const end = this.#pending.indexOf('\n\n');
      if (end < 0) return frames;
      this.#consumed += end + 2;
      frames.push(parseFrame(this.#pending.subarray(0, end), at, this.#consumed));
      this.#pending = this.#pending.subarray(end + 2);
    }
  }

  /** The bytes of a frame that has begun and not ended. */
  get unfinished(): Buffer {
    return this.#pending;
  }
}

function parseFrame(bytes: Buffer, at: number, end: number): Frame {
  if (bytes.includes(13)) throw new Error(`a CR on the wire: ${JSON.stringify(bytes.toString('latin1', 0, 200))}`);
  const text = decoder.decode(bytes);
  const frame: Frame = {
    text,
    fields: [],
    id: undefined,
    event: undefined,
    data: undefined,
    retry: undefined,
    comments: [],
    at,
    end,
  };
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? '' : line.slice(colon + 1);
    const value = rest.startsWith(' ') ? rest.slice(1) : rest;
    if (colon === 0 && frame.retry !== undefined) {
      frame.comments.push(value);
      continue;
    }
    if (frame.comments.length > 0) throw new Error(`a field behind a comment: ${JSON.stringify(line.slice(0, 200))}`);
    frame.fields.push(name);
    if (name === 'data') frame.data = frame.data === undefined ? value : `${frame.data}\n${value}`;
    else if (name === 'id') frame.id = value;
    else if (name === 'event') frame.event = value;
    else if (name === 'retry') frame.retry = Number(value);
    else throw new Error(`a line that is no field: ${JSON.stringify(line.slice(0, 200))}`);
  }
  return frame;
}
