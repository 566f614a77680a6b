import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
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
  commit: string;
  /** The number of its library of functions. */
  library: number;
  /** The folder that it was built in, for whoever deletes it. */
  folder: string;
}

/** The number of the library in this checkout. */
export function libraryNumber(): number {
  return numberIn(readFileSync(join(ROOT, VERSION_FILE), 'utf8'));
}

/**
 * Builds the latest version in the history of this checkout whose library of functions is another one.
 * @throws Error if the history does not reach back to one: expected a clone that is not shallow
 */
export function buildOlderVersion(): OlderVersion {
  const { commit, library } = findOlder();
  const folder = mkdtempSync(join(tmpdir(), 'sisyphus-older-'));
  const parts = ['src', 'bin', 'package.json', 'package-lock.json', 'tsconfig.json'];
  const archive = execFileSync('git', ['archive', commit, ...parts], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  if (dependenciesOf(folder) === dependenciesOf(ROOT)) linkPackages(folder);
  else execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  mkdirSync(join(folder, 'dist'), { recursive: true });
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.json'], { cwd: folder });
  return { bin: join(folder, 'bin/sisyphus'), commit, library, folder };
}

function findOlder(): { commit: string; library: number } {
  const ours = libraryNumber();
  const changed = git('rev-list', '--first-parent', 'HEAD', '--', VERSION_FILE).split('\n').filter(Boolean);
  // The last commit counts too: what is not committed yet may have raised the number.
  for (const commit of ['HEAD', ...changed.map((changing) => `${changing}^1`)]) {
    const library = tryNumber(commit);
    if (library < ours) return { commit: git('rev-parse', commit), library };
  }
  throw new Error(
    `no version before library ${ours} in the history: expected a clone with its history, not a shallow one`,
  );
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
