import { readdirSync, readFileSync } from 'node:fs';
import { ROOT } from '../../root.ts';

/** The folder whose files are the source of the library, and of nothing else. */
const FOLDER = new URL('src/store/redis/lua/', ROOT);

/** The files that the functions share: each may use the ones before it. */
const PARTS = [
  ...['names', 'permission', 'numbers', 'types', 'glob', 'checks'],
  ...['publishes', 'replication', 'location', 'clock', 'define', 'gaps', 'life', 'recorder', 'channel-gaps'],
  ...['length', 'expiry', 'list', 'rights', 'rights-answer', 'channel', 'append', 'once', 'change-list'],
  ...['disconnects', 'sha256', 'base64url', 'random', 'tokens'],
  ...['json-records', 'collections', 'collection-writes', 'collection-changes'],
  ...['gateways', 'settings', 'scan', 'sources', 'page', 'polls'],
];

function read(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8');
}

/**
 * The text that is loaded into Redis. The file of each function is a Lua function, so no other file can use its names, and they do not
 * count among the 200 local names that Lua allows the shared files together.
 */
function build(): string {
  const parts = PARTS.map((name) => read(`${name}.lua`));
  const files = readdirSync(new URL('functions/', FOLDER)).filter((name) => name.endsWith('.lua'));
  const functions = files.sort().map((name) => `(function()\n${read(`functions/${name}`)}end)();\n`);
  return ['#!lua name=sisyphus', ...parts, ...functions].join('\n');
}

function numberOf(library: string): number {
  const [, number] = /^local VERSION = (\d+)$/m.exec(library) ?? [];
  if (number === undefined)
    throw new Error('no number in lua/functions/version.lua: expected local VERSION = <number>');
  return Number(number);
}

export const LIBRARY = build();
/** The number that `sisyphus_version` answers. */
export const VERSION = numberOf(LIBRARY);
/** The Redis commands that the library uses. */
export const COMMANDS = [...new Set([...LIBRARY.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name!))];
