import { VARIABLES } from '../config/variables.ts';
import { VERSION } from '../version.ts';
import type { Command } from './command.ts';

export function helpText(commands: Command[]): string {
  const lines = [
    `sisyphus ${VERSION}: publish on Redis, read with one plain EventSource`,
    '',
    'Usage: bin/sisyphus <command> [--flags]',
    '',
    ...commands.flatMap(describeCommand),
    '  --help                                  this',
    '  --version                               the version',
    '',
    'Configuration, for every command: flags over environment over defaults.',
    'Durations are written 500ms, 15s, 2m, 24h; sizes 256KB, 1MB.',
    '',
    ...describeVariables(),
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.',
  ];
  return `${lines.join('\n')}\n`;
}

function describeCommand({ name, parameters, summary, options }: Command): string[] {
  return [
    `  ${`${name} ${parameters}`.padEnd(39)} ${summary}`,
    ...Object.entries(options).map(([option, { meaning }]) => `    ${`--${option}`.padEnd(37)} ${meaning}`),
  ];
}

function describeVariables(): string[] {
  return VARIABLES.map(({ name, flag, default: fallback, meaning }) => {
    const names = `  --${flag.padEnd(22)} ${name.padEnd(30)}`;
    return `${names} ${meaning.replaceAll('`', '')}${fallback === 'none' ? '' : ` (${fallback})`}`;
  });
}
