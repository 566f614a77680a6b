import type { Context, Next } from 'koa';
import { PAGE_HEADERS } from '../page-headers.ts';

/** Sets the headers of `PAGE_HEADERS` that the route has not set itself. */
export async function pageHeaders(ctx: Context, next: Next): Promise<void> {
  await next();
  // A stream has a head of its own.
  if (ctx.respond === false) return;
  for (const [name, value] of Object.entries(PAGE_HEADERS)) if (!ctx.response.get(name)) ctx.set(name, value);
}
