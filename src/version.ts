import { readFileSync } from 'node:fs';

const MANIFEST = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const VERSION = MANIFEST.version;
