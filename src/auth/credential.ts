import type { HttpRequest } from './http-request.ts';

/** The query parameter of a credential, because an EventSource can set no header (RFC 6750, 2.3). */
export const ACCESS_TOKEN = 'access_token';

/** A text that a client has sent as its credential; `undefined`: it has sent none; `malformed`: one that cannot be read. */
export type Found = { credential: string } | 'malformed' | undefined;

/**
 * Finds the credential of a request: in the header `Authorization: Bearer`, in the query, or in a cookie. The first of these that is there
 * counts: a cookie comes by itself, and the others are written by the page. Other schemes than `Bearer` are no credential, because a proxy
 * in front may ask for a password of its own.
 */
export function credentialOf(request: HttpRequest, cookie: string | undefined): Found {
  const bearers = request.valuesOf('authorization').filter((value) => /^bearer(?: |$)/i.test(value));
  if (bearers.length > 0) return only(bearers.map((value) => value.slice('bearer'.length).trim()));
  const parameters = request.query.getAll(ACCESS_TOKEN);
  if (parameters.length > 0) return only(parameters);
  const fromCookie = cookie === undefined ? undefined : cookieOf(request, cookie);
  return fromCookie === undefined ? undefined : only([fromCookie]);
}

/** The value of a cookie. Of several with one name the first counts: a browser sends the one with the longest path first (RFC 6265, 5.4). */
export function cookieOf(request: HttpRequest, name: string): string | undefined {
  for (const header of request.valuesOf('cookie')) {
    for (const pair of header.split(';')) {
      const at = pair.indexOf('=');
      if (at >= 0 && pair.slice(0, at).trim() === name) return unquote(pair.slice(at + 1).trim());
    }
  }
  return undefined;
}

/**
 * The only one of these credentials, if it has visible ASCII characters only. Several are malformed: a proxy in front may have checked
 * another one than the gateway would.
 */
function only(values: string[]): Found {
  const [credential = ''] = values;
  return values.length === 1 && /^[!-~]+$/.test(credential) ? { credential } : 'malformed';
}

function unquote(text: string): string {
  return /^".*"$/.test(text) ? text.slice(1, -1) : text;
}
