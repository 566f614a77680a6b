import type { Context, Middleware, Next } from 'koa';
import { Origins } from '../origins.ts';
import { isForPages, isReadByPost } from './same-site.ts';

/**
 * Allows exact origins only: with a wildcard, every site could read the streams of its visitors. A preflight is allowed by its route alone,
 * because one that has its origin allowed lets a page send a POST without any other header (Fetch, 4.8, CORS-preflight fetch).
 */
export function cors(origins: string[]): Middleware {
  const allowed = new Origins(origins);
  return async (ctx: Context, next: Next) => {
    const headers = corsHeaders(allowed, ctx.get('Origin'));
    ctx.state.cors = headers;
    const { Vary } = headers;
    if (ctx.method !== 'OPTIONS') ctx.set(headers);
    else if (Vary !== undefined) ctx.set({ Vary });
    await next();
  };
}

export function corsHeaders(allowed: Origins, origin: string | undefined): Record<string, string> {
  if (allowed.size === 0) return {};
  if (origin === undefined || !allowed.has(origin)) return { Vary: 'Origin' };
  return { Vary: 'Origin', 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' };
}

/** What a page may ask for; an OPTIONS request without a method is no preflight. */
const READING = new Set(['', 'GET', 'HEAD', 'OPTIONS']);

/** Answers a preflight: browsers may ask before they send `Last-Event-ID` to another origin. Reading is allowed, and nothing else. */
export function preflight(ctx: Context): void {
  ctx.status = 204;
  const mayPost = isReadByPost(ctx.path) || isForPages(ctx.path);
  ctx.set(
    'Allow',
    isForPages(ctx.path) ? 'POST, OPTIONS' : mayPost ? 'GET, HEAD, POST, OPTIONS' : 'GET, HEAD, OPTIONS',
  );
  const headers = ctx.state.cors as ReturnType<typeof corsHeaders>;
  const method = ctx.get('Access-Control-Request-Method');
  const isReading = READING.has(method) || (method === 'POST' && mayPost);
  if (!headers['Access-Control-Allow-Origin'] || !isReading) return;
  ctx.set(headers);
  ctx.set('Access-Control-Allow-Methods', ctx.response.get('Allow'));
  ctx.set('Access-Control-Allow-Headers', 'Last-Event-ID, Cache-Control, Authorization, Content-Type, X-API-URL');
  ctx.set('Access-Control-Max-Age', '86400');
  // A gateway in a private network, and a page from the internet: the operator has listed the origin of the page.
  if (ctx.get('Access-Control-Request-Private-Network') === 'true')
    ctx.set('Access-Control-Allow-Private-Network', 'true');
}
