import type { IncomingMessage } from 'node:http';

/** The largest head that is accepted (bytes). With Node's 16 KB a long `Last-Event-ID` gets 431, and the browser gives up for good. */
export const MAX_HEAD = 64 * 1024;
/**
 * The largest head that Node parses (bytes). It is larger than `MAX_HEAD`, because Node does not expose a head that it does not parse:
 * the gateway could not know whether the request is for a stream, which must be refused with a frame.
 */
export const MAX_READ = 4 * MAX_HEAD;

/** The address of a long poll may have so many bytes besides (300 channels and their revisions): its other headers are small. */
const MAX_POLL = 65 * 1024;

const IS_POLL = /^\/rt(?:\/sync)?\?/;
const IS_STREAM = /^(?:https?:\/\/[^/?]+)?\/(?:stream)?(?:\?|$)/i;

export function isTooLong({ url = '', rawHeaders }: IncomingMessage): boolean {
  let bytes = url.length;
  for (const text of rawHeaders) bytes += text.length;
  return bytes > MAX_HEAD + (IS_POLL.test(url) ? MAX_POLL : 0);
}

/** Whether the request goes to the routes of streams. */
export function isForStream({ method, url = '' }: IncomingMessage): boolean {
  return method === 'GET' && IS_STREAM.test(url);
}
