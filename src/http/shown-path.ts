/** The longest part of a path that is shown (characters): the gateway's own names are shorter, and a token is longer. */
const LONGEST_PART = 20;
const PLAIN = new RegExp(String.raw`^(?:/(?:[\w.~-]{1,${LONGEST_PART}}(?=/|$))?){1,4}`);

/** The path of a request target (RFC 9112, 3.2): without the query, and without the scheme and host that a proxy receives. */
const PATH = /^(?:https?:\/\/[^/?#]*)?([^?#]*)/i;

/**
 * As much of the path of a request target as an error and the log may show. A client that writes its address wrongly may have put a
 * credential into the path (`/stream&access_token=…`, `/stream/eyJhb…`), so a path is shown up to the first part that is no plain short
 * name.
 */
export function shownPath(target: string): string {
  const [, path = ''] = PATH.exec(target) ?? [];
  const [shown = ''] = PLAIN.exec(path) ?? [];
  return shown.length === path.length ? path : `${shown}…`;
}
