import { VARIABLES } from '../config/variables.ts';
import { PROGRAM } from '../root.ts';
import { VERSION } from '../version.ts';
import type { Command } from './command.ts';
import { MINE } from './own-variables.ts';

export function helpText(commands: Command[]): string {
  const lines = [
    `sisyphus ${VERSION}: publish on Redis, read with one plain EventSource`,
    '',
    `Usage: ${PROGRAM} <command> [--flags]`,
    '',
    ...commands.flatMap(describeCommand),
    '  <command> --help                        the options of one command',
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

/** The help of one command: its own options, and the variables that it reads. */
export function commandHelp(command: Command): string {
  const { name, parameters, summary, options, isAboutGateway } = command;
  const lines = [
    `Usage: ${`${PROGRAM} ${name} ${parameters}`.trim()} [--flags]`,
    '',
    `  ${summary}`,
    '',
    ...Object.entries(options).map(([option, { meaning }]) => describeOption(option, meaning)),
    ...(Object.keys(options).length > 0 ? [''] : []),
    'Flags win over the environment:',
    '',
    ...describeVariables(isAboutGateway === true ? undefined : MINE),
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. More: docs/reference/cli.md.',
  ];
  return `${lines.join('\n')}\n`;
}

function describeOption(option: string, meaning: string): string {
  return `    ${`--${option}`.padEnd(37)} ${meaning}`;
}

function describeCommand({ name, parameters, summary, options }: Command): string[] {
  return [
    `  ${`${name} ${parameters}`.padEnd(39)} ${summary}`,
    ...Object.entries(options).map(([option, { meaning }]) => describeOption(option, meaning)),
  ];
}

/** @param names of the variables that are wanted; `undefined`: all */
function describeVariables(names?: string[]): string[] {
  const wanted = VARIABLES.filter(({ name }) => names === undefined || names.includes(name));
  return wanted.map(({ name, flag, default: fallback, meaning }) => {
    const names = `  --${flag.padEnd(22)} ${name.padEnd(30)}`;
    return `${names} ${meaning.replaceAll('`', '')}${fallback === 'none' ? '' : ` (${fallback})`}`;
  });
}
