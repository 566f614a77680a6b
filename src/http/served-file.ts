import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Context } from 'koa';
import { answerCondition } from './condition.ts';

/** A file of the package that browsers ask for. */
export interface ServedFile {
  body: Buffer;
  etag: string;
}

/** Reads a file once, to be given to `answerFile` for each request. */
export function readFile(url: URL): ServedFile {
  const body = readFileSync(url);
  return { body, etag: createHash('sha256').update(body).digest('base64url').slice(0, 22) };
}

/**
 * Answers with the file, or 304 if the browser has it already. The browser asks each time, because the next version of the gateway has other files
 * at the same addresses.
 *
 * @param type for Koa, such as `css`
 */
export function answerFile(ctx: Context, { body, etag }: ServedFile, type: string): void {
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = type;
  ctx.etag = etag;
  ctx.body = body;
  answerCondition(ctx);
}
