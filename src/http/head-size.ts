import type { IncomingMessage } from 'node:http';

/** Node's default of 16 KB answers a long `Last-Event-ID` with 431, and the browser gives up for good. */
export const MAX_HEAD = 64 * 1024;
/**
 * The largest head that Node parses. Node does not expose a longer one, and then nobody knows whether it asks for a stream and needs
 * a frame; so this is larger than what is accepted.
 */
export const MAX_READ = 4 * MAX_HEAD;

const IS_STREAM = /^(?:https?:\/\/[^/?]+)?\/(?:stream)?(?:\?|$)/i;

export function isTooLong({ url = '', rawHeaders }: IncomingMessage): boolean {
  let bytes = url.length;
  for (const text of rawHeaders) bytes += text.length;
  return bytes > MAX_HEAD;
}

/** Whether it goes to the routes of streams. */
export function isForStream({ method, url = '' }: IncomingMessage): boolean {
  return method === 'GET' && IS_STREAM.test(url);
}
