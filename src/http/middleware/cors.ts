import type { Context, Middleware, Next } from 'koa';

/** Allows exact origins only: with a wildcard, every site could read the streams of its visitors. */
export function cors(origins: string[]): Middleware {
  const allowed = new Set(origins);
  return async (ctx: Context, next: Next) => {
    ctx.set(corsHeaders(allowed, ctx.get('Origin')));
    await next();
  };
}

export function corsHeaders(allowed: ReadonlySet<string>, origin: string | undefined): Record<string, string> {
  if (allowed.size === 0) return {};
  if (origin === undefined || !allowed.has(origin)) return { Vary: 'Origin' };
  return { Vary: 'Origin', 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' };
}

/** `POST` opens a stream as well; it changes nothing. */
const METHODS = 'GET, HEAD, POST, OPTIONS';

/** Answers a preflight: browsers may ask before they send `Last-Event-ID` to another origin. */
export function preflight(ctx: Context): void {
  ctx.status = 204;
  ctx.set('Allow', METHODS);
  if (!ctx.response.get('Access-Control-Allow-Origin')) return;
  ctx.set('Access-Control-Allow-Methods', METHODS);
  ctx.set('Access-Control-Allow-Headers', 'Last-Event-ID, Cache-Control, Authorization, Content-Type');
  ctx.set('Access-Control-Max-Age', '86400');
}
