import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What is in the folder of a checkout, and not in a clone. */
const NOT_CLONED = ['.git', 'node_modules', 'dist'];

/** Copies what a clone of this checkout would have, with changes that are not committed yet. */
export function cloneTo(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(ROOT)) {
    if (!NOT_CLONED.includes(name)) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
}

/**
 * Gives the folder the packages of this checkout. Each is a link of its own: whatever deletes `node_modules` there deletes links.
 * bin/install takes them for installed.
 */
export function linkPackages(folder: string): void {
  const [theirs, ours] = [join(folder, 'node_modules'), join(ROOT, 'node_modules')];
  mkdirSync(theirs);
  for (const name of readdirSync(ours)) {
    if (name !== '.installed-lock.json' && name !== '.cache') symlinkSync(join(ours, name), join(theirs, name));
  }
  cpSync(join(ROOT, 'package-lock.json'), join(theirs, '.installed-lock.json'));
}
