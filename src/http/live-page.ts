import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ROOT } from '../root.ts';

const FOLDER = new URL('src/live-page/', ROOT);
/** A stream without a frame for so many noop intervals is taken for dead. */
const SILENT_INTERVALS = 2.5;
/** The least silence (ms), because a frame may be late. */
const LEAST_SILENCE = 3_000;

export interface LivePage {
  html: string;
  headers: Record<string, string>;
}

/** The page that shows public collections. It has their names, and no records: those always come the same way, with the snapshot. */
export function livePage(names: readonly string[], noopInterval: number): LivePage {
  const [html, style, table, page] = ['page.html', 'page.css', 'table.js', 'page.js'].map((name) =>
    readFileSync(new URL(name, FOLDER), 'utf8'),
  ) as [string, string, string, string];
  const script = `'use strict';\n{\n${table}\n${page}}\n`;
  const silence = Math.max(LEAST_SILENCE, SILENT_INTERVALS * noopInterval);
  const settings = JSON.stringify({ collections: names, silence });
  // Functions, because `$` in a text would have a meaning.
  const whole = html
    .replace('/*STYLE*/', () => style)
    .replace('"SETTINGS"', () => settings)
    .replace('/*SCRIPT*/', () => script);
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return { html: whole, headers: { 'Content-Security-Policy': policy.join('; '), 'Cache-Control': 'no-cache' } };
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
