export interface ResponseHead {
  status: number;
  /** Lower-case names; repeated headers joined by `, `. */
  headers: Map<string, string>;
  text: string;
}

/** Takes an HTTP/1.1 response apart as its bytes come in: head, and body with the chunks of the transfer coding undone. */
export class ResponseReader {
  head: ResponseHead | undefined;
  /** The body is complete, by length or by its last chunk. */
  complete = false;
  #pending: Buffer = Buffer.alloc(0);
  #chunked = false;
  /** Body bytes still to come of the chunk or of the whole; `undefined` where only the end of the connection tells. */
  #left: number | undefined;
  #noBody: boolean;

  constructor(method: string) {
    this.#noBody = method === 'HEAD';
  }

  /** The body bytes that came with these. */
  push(bytes: Buffer): Buffer {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    if (!this.head && !this.#readHead()) return Buffer.alloc(0);
    return this.#chunked ? this.#readChunks() : this.#readPlain();
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const text = this.#pending.toString('latin1', 0, end);
    this.#pending = this.#pending.subarray(end + 4);
    const [statusLine = '', ...lines] = text.split('\r\n');
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      const before = headers.get(name);
      headers.set(name, before === undefined ? value : `${before}, ${value}`);
    }
    const status = Number(statusLine.split(' ')[1]);
    this.head = { status, headers, text };
    this.#chunked = headers.get('transfer-encoding') === 'chunked';
    const length = headers.get('content-length');
    if (length !== undefined) this.#left = Number(length);
    if (this.#noBody || status === 204 || status === 304 || this.#left === 0) this.complete = true;
    return true;
  }

  #readPlain(): Buffer {
    const body = this.#pending;
    this.#pending = Buffer.alloc(0);
    if (this.#left !== undefined) {
      this.#left -= body.length;
      if (this.#left <= 0) this.complete = true;
    }
    return body;
  }

  #readChunks(): Buffer {
    const parts: Buffer[] = [];
    while (!this.complete) {
      if (this.#left === undefined) {
        const line = this.#pending.indexOf('\r\n');
        if (line < 0) break;
        this.#left = Number.parseInt(this.#pending.toString('latin1', 0, line), 16);
        this.#pending = this.#pending.subarray(line + 2);
        if (this.#left === 0) this.complete = true;
      } else {
        // A part of a chunk is handed on at once: a stream is cut in the middle of one.
        if (this.#left > 0) {
          const part = this.#pending.subarray(0, this.#left);
          if (part.length === 0) break;
          parts.push(part);
          this.#left -= part.length;
          this.#pending = this.#pending.subarray(part.length);
        }
        if (this.#left > 0 || this.#pending.length < 2) break;
        this.#pending = this.#pending.subarray(2);
        this.#left = undefined;
      }
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
