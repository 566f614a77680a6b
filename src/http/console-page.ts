import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { ROOT } from '../root.ts';

const FOLDER = new URL('src/console/', ROOT);
const TYPES: Record<string, string> = { '.html': 'html', '.css': 'css', '.js': 'js', '.svg': 'svg' };

/** Everything comes from the gateway, and no text of a message can become code: the page makes elements, and never HTML. */
const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'Cache-Control': 'no-cache',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface ConsoleFile {
  /** For Koa, such as `css`. */
  type: string;
  text: string;
  etag: string;
  headers: Record<string, string>;
}

/** The files of the console by their names. They are read once, and hold no data. */
export function readConsoleFiles(): Map<string, ConsoleFile> {
  const names = readdirSync(FOLDER).filter((name) => TYPES[extname(name)] !== undefined);
  return new Map(
    names.map((name) => {
      const text = readFileSync(new URL(name, FOLDER), 'utf8');
      const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
      return [name, { type: TYPES[extname(name)]!, text, etag, headers: HEADERS }];
    }),
  );
}
