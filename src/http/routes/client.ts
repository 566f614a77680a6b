import type { Context } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { ROOT } from '../../root.ts';
import { answerFile, readFile, type ServedFile } from '../served-file.ts';

const FOLDER = new URL('dist/client/', ROOT);
const PARTS = ['client', 'tabs', 'poll', 'collection', 'react', 'rt', 'sock'];

/** GET /client.js, GET /client/<part>.js: the client for browsers, as modules. Pages of other origins may import them: nobody's data is in them. */
export function client(): (ctx: Context) => void {
  const files = new Map<string, ServedFile>();
  return (ctx) => {
    const name = ctx.params.file === undefined ? 'client' : /^(\w+)\.js$/.exec(ctx.params.file)?.[1];
    if (name === undefined || !PARTS.includes(name))
      throw new SisyphusError(
        'not_found',
        `there is no such part of the client: expected one of ${PARTS.join(', ')}, with .js`,
      );
    const file = files.get(name) ?? readFile(new URL(`${name}.js`, FOLDER));
    files.set(name, file);
    ctx.set({ 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' });
    answerFile(ctx, file, 'text/javascript');
  };
}
