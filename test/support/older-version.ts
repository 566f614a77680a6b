import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkPackages, ROOT } from './checkout.ts';

const VERSION_FILE = 'src/store/redis/lua/functions/version.lua';

const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

const numberIn = (source: string): number => Number(/^local VERSION = (\d+)$/m.exec(source)?.[1]);

export interface OlderVersion {
  /** Its program, built. */
  bin: string;
  /** `undefined` if it was made of this one. */
  commit: string | undefined;
  /** The number of its library of functions. */
  library: number;
  /** The folder that it was built in, for whoever deletes it. */
  folder: string;
}

/** The number of the library in this checkout. */
export function libraryNumber(): number {
  return numberIn(readFileSync(join(ROOT, VERSION_FILE), 'utf8'));
}

const PARTS = ['src', 'bin', 'package.json', 'package-lock.json', 'tsconfig.json'];

/**
 * Builds the latest version in the history of this checkout whose library of functions is another one. Without such a history, as in a
 * shallow clone, it is this version with a lower number of the library.
 */
export function buildOlderVersion(): OlderVersion {
  const folder = mkdtempSync(join(tmpdir(), 'sisyphus-older-'));
  const { commit, library } = findOlder() ?? { commit: undefined, library: libraryNumber() - 1 };
  if (commit !== undefined) {
    const archive = execFileSync('git', ['archive', commit, ...PARTS], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
  } else {
    for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    const text = readFileSync(join(folder, VERSION_FILE), 'utf8');
    writeFileSync(join(folder, VERSION_FILE), text.replace(/^local VERSION = \d+$/m, `local VERSION = ${library}`));
  }
  if (dependenciesOf(folder) === dependenciesOf(ROOT)) linkPackages(folder);
  else execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  mkdirSync(join(folder, 'dist'), { recursive: true });
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.json'], { cwd: folder });
  return { bin: join(folder, 'bin/sisyphus'), commit, library, folder };
}

function findOlder(): { commit: string; library: number } | undefined {
  const ours = libraryNumber();
  const changed = tryGit('rev-list', '--first-parent', 'HEAD', '--', VERSION_FILE).split('\n').filter(Boolean);
  // The last commit counts too: what is not committed yet may have raised the number.
  for (const commit of ['HEAD', ...changed.map((changing) => `${changing}^1`)]) {
    const library = tryNumber(commit);
    if (library < ours) return { commit: git('rev-parse', commit), library };
  }
  return undefined;
}

/** Without git, or without a repository, there is no history. */
function tryGit(...args: string[]): string {
  try {
    return git(...args);
  } catch {
    return '';
  }
}

function tryNumber(commit: string): number {
  try {
    return numberIn(git('show', `${commit}:${VERSION_FILE}`));
  } catch {
    // The file, or the commit, is not there: older than the library.
    return Number.POSITIVE_INFINITY;
  }
}

function dependenciesOf(folder: string): string {
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies: unknown };
  return JSON.stringify(dependencies);
}
