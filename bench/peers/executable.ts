import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CACHE } from '../compile.ts';

/** Where a peer's program is that no distribution packages: on the PATH, or in `bin` of the benchmark's cache folder. */
export function executable(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return [...folders, join(CACHE, 'bin')].map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Not here, or not for us: the next folder may have it.
    return false;
  }
}
