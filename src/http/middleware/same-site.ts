import type { Context, Next } from 'koa';
import { SisyphusError } from '../../errors.ts';

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
/** What `Sec-Fetch-Site` says of requests that no other site has caused (Fetch Metadata, 2.2). */
const OWN = new Set(['same-origin', 'none']);

/** Paths to which a POST only reads: the parameters of a stream, or of a long poll, are in its body. */
const READ_BY_POST = new Set(['/stream', '/rt']);

export function isReadByPost(path: string): boolean {
  return READ_BY_POST.has(path);
}

/** Whether pages send POSTs to this path that may change something: their own site, and the origins of SISYPHUS_ORIGINS. */
export function isForPages(path: string): boolean {
  return /^\/sock\.it\/(?:poll-start|[^/]*\/poll(?:-msg)?)$/.test(path);
}

/**
 * Refuses requests that pages of other sites send with a method that may change something, whatever they bring, before any route sees them.
 * A browser says where a request comes from, and a page cannot change that; a server says nothing. A cookie is never enough for such a
 * route, and a publish secret in a page is known to everybody who opens the page.
 */
export async function sameSite(ctx: Context, next: Next): Promise<void> {
  const isSafe = SAFE.has(ctx.method) || (ctx.method === 'POST' && isReadByPost(ctx.path));
  const isAllowed = isForPages(ctx.path) && ctx.state.cors?.['Access-Control-Allow-Origin'] !== undefined;
  if (!isSafe && !isAllowed && isFromElsewhere(ctx.req.headers)) {
    throw new SisyphusError(
      'cross_site',
      'a page of another site has sent this request: expected it from a server, because a secret in a page is known to everybody who opens the page',
    );
  }
  await next();
}

/** Whether a page of another site has caused the request. If one of the headers is repeated, its values are joined by commas, and then they are no own ones. */
export function isFromElsewhere({ origin, host = '', 'sec-fetch-site': site }: Context['req']['headers']): boolean {
  if (site !== undefined && !OWN.has(String(site))) return true;
  // The scheme is left out, because TLS may end in front of the gateway.
  return origin !== undefined && origin.replace(/^https?:\/\//, '//') !== `//${host.toLowerCase()}`;
}
