import { STATUS_CODES } from 'node:http';

/**
 * The head of a response. It is a record, not text, because each transport sends it in its own way: HTTP/1.1 as text, and HTTP/2 as
 * fields, of which `Connection` is not allowed.
 */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const encoded = new WeakMap<ResponseHead, Buffer>();

/** The head as HTTP/1.1 text. It is encoded once for all responses that share the record. */
export function encodeHead(head: ResponseHead): Buffer {
  let bytes = encoded.get(head);
  if (!bytes) {
    const lines = Object.entries(head.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    bytes = Buffer.from(`HTTP/1.1 ${head.status} ${STATUS_CODES[head.status]}\r\n${lines.join('')}\r\n`, 'latin1');
    encoded.set(head, bytes);
  }
  return bytes;
}
