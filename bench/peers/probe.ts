import { spawnSync } from 'node:child_process';

/** The first line that a command prints, on either stream, or undefined if there is no such command. */
export function firstLine(command: string, ...args: string[]): string | undefined {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) return undefined;
  return `${stdout}${stderr}`.trim().split('\n')[0];
}
