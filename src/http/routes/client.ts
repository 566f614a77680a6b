import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Context } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { ROOT } from '../../root.ts';
import { answerCondition } from '../condition.ts';

const FOLDER = new URL('dist/client/', ROOT);
const ENTRIES = ['client', 'tabs', 'poll', 'collection', 'react', 'rt', 'sock'];

/** GET /client.js, GET /client/<entry>.js: the client for browsers, as modules. Pages of other origins may import them: nobody's data is in them. */
export function client(): (ctx: Context) => void {
  const files = new Map<string, { etag: string; code: Buffer }>();
  return (ctx) => {
    const name = ctx.params.file === undefined ? 'client' : /^(\w+)\.js$/.exec(ctx.params.file)?.[1];
    if (name === undefined || !ENTRIES.includes(name))
      throw new SisyphusError(
        'not_found',
        `there is no such part of the client: expected one of ${ENTRIES.join(', ')}, with .js`,
      );
    let file = files.get(name);
    if (!file) {
      const code = readFileSync(new URL(`${name}.js`, FOLDER));
      file = { code, etag: createHash('sha256').update(code).digest('base64url') };
      files.set(name, file);
    }
    ctx.set({
      'Cache-Control': 'no-cache',
      'Access-Control-Allow-Origin': '*',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    ctx.etag = file.etag;
    ctx.type = 'text/javascript';
    ctx.body = file.code;
    answerCondition(ctx);
  };
}
