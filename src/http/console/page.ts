import { readdirSync } from 'node:fs';
import { extname } from 'node:path';
import { ROOT } from '../../root.ts';
import { readFile, type ServedFile } from '../served-file.ts';

const FOLDER = new URL('src/console/', ROOT);
const TYPES: Record<string, string> = { '.html': 'html', '.css': 'css', '.js': 'js', '.svg': 'svg' };

/** Everything comes from the gateway, and no text of a message can become code: the page makes elements, and never HTML. */
export const CONSOLE_HEADERS = {
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
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface ConsoleFile extends ServedFile {
  /** For Koa, such as `css`. */
  type: string;
}

/** The files of the console by their names. They are read once, and hold no data. */
export function readConsoleFiles(): Map<string, ConsoleFile> {
  const files = readdirSync(FOLDER).flatMap((name) => {
    const type = TYPES[extname(name)];
    return type === undefined ? [] : [{ name, type, ...readFile(new URL(name, FOLDER)) }];
  });
  return new Map(files.map((file) => [file.name, file]));
}
