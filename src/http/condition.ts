import type { Context } from 'koa';

/**
 * Answers 304 if the client has the body already, by its `If-None-Match`. A browser's fetch sends `no-cache` with a condition, and Koa would not
 * look at the condition then.
 */
export function answerCondition(ctx: Context): void {
  const tags = tagsOf(ctx.get('If-None-Match'));
  if (tags.includes(ctx.response.get('ETag')) || tags.includes('*')) ctx.status = 304;
}

/** The tags of a header, without the mark of weak ones: a proxy that compresses makes them weak (RFC 9110, 13.1.2). */
function tagsOf(header: string): string[] {
  return header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
}
