import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** One mistake in one file: `find` stands there once. */
export interface Change {
  file: string;
  find: string;
  replace: string;
}

const BUILT = ['src', 'bin', 'package.json', 'tsconfig.json', 'test', '.mocharc.yml'];
/** The documents are held to the code by a test. */
const DOCUMENTS = [
  'docs',
  'bench',
  'examples',
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'UPGRADE.md',
  'SECURITY.md',
  'LICENSE',
];
const SHIPPED = ['deploy', 'Dockerfile', '.dockerignore', 'compose.yaml', 'package-lock.json', 'Procfile'];
const COPIED = [...BUILT, ...DOCUMENTS, ...SHIPPED];

/**
 * Gives a built copy of the gateway and its tests with this mistake in it (or none) to `use`, and takes it away afterwards.
 * @throws Error where the mistake cannot be made, or does not build
 */
export function withCopy<Answer>(mistake: Change | undefined, use: (copy: string) => Answer): Answer {
  const copy = mkdtempSync(join(tmpdir(), 'sisyphus-mutation-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    if (mistake) change(copy, mistake);
    // What a mistake leaves unused is no reason not to build it.
    const flags = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];
    const build = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', copy, ...flags], { encoding: 'utf8' });
    if (build.status !== 0) throw new Error(`it does not build: ${build.stdout.slice(0, 300)}`);
    return use(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** The environment in which tests take the copy's gateway for the one to be tested. */
export function gatewayOf(copy: string): NodeJS.ProcessEnv {
  return { ...process.env, TEST_GATEWAY: join(copy, 'bin/sisyphus') };
}

function change(copy: string, { file, find, replace }: Change): void {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not have exactly one ${JSON.stringify(find)}`);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
}
