import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCES = join(import.meta.dirname, 'c');

/** Where compiled programs and fetched peers live: outside the repository, kept between runs. */
export const CACHE = join(tmpdir(), 'sisyphus-bench');

/**
 * Compiles `c/<name>.c` once per version of the sources and returns the program's path. C, because a client in
 * JavaScript costs more per event than the servers it measures, and the two share the machine's cores.
 */
export function compile(name: 'streams' | 'polls' | 'publish' | 'loop'): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(SOURCES).sort()) hash.update(readFileSync(join(SOURCES, file)));
  const folder = join(CACHE, hash.digest('hex').slice(0, 12));
  const program = join(folder, name);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  execFileSync('cc', ['-O2', '-Wall', '-o', unfinished, join(SOURCES, `${name}.c`)], { stdio: 'inherit' });
  renameSync(unfinished, program);
  return program;
}
