import { parseArgs } from 'node:util';
import { ConfigError } from '../config/config.ts';
import { nearest, suggestion } from '../config/nearest.ts';
import { VARIABLES } from '../config/variables.ts';
import { mask } from '../mask.ts';
import { PROGRAM } from '../root.ts';
import { VERSION } from '../version.ts';
import { channels } from './channels.ts';
import { checkConfig } from './check-config.ts';
import { patch, put } from './collection.ts';
import { type Command, EXIT, type Invocation, type Io, UsageError } from './command.ts';
import { disconnect } from './disconnect.ts';
import { doctor } from './doctor.ts';
import { functions } from './functions.ts';
import { commandHelp, helpText } from './help.ts';
import { history } from './history.ts';
import { ping } from './ping.ts';
import { publish } from './publish.ts';
import { reasonOf } from './reason.ts';
import { grant, revoke } from './rights.ts';
import { serve } from './serve.ts';
import { status } from './status.ts';
import { streams } from './streams.ts';
import { tail } from './tail.ts';
import { token } from './token.ts';
import { rights } from './user-rights.ts';
import { watch } from './watch.ts';
import { why } from './why.ts';

export const COMMANDS: Command[] = [
  ...[serve, publish, put, patch, watch, grant, revoke, disconnect, token, tail, checkConfig],
  ...[doctor, why, status, streams, channels, rights, history, ping, functions],
];

/** Runs one command line. Errors are written to standard error, a line each. @returns the exit code */
export async function run(args: string[], io: Io): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    for (const line of linesOf(error)) io.stderr.write(`sisyphus: ${mask(line)}\n`);
    return error instanceof UsageError || error instanceof ConfigError ? EXIT.usage : EXIT.failed;
  }
}

async function dispatch(args: string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  const named = (wanted: string | undefined) => COMMANDS.find((candidate) => candidate.name === wanted);
  if (name === 'help' || args.some((one) => one === '--help' || one === '-h')) {
    const subject = name === 'help' ? rest[0] : name;
    const about = named(subject);
    const isNone = subject !== undefined && !/^-|^help$|^version$/.test(subject);
    if (!about && isNone) throw new UsageError(misnomer(subject));
    return print(io, about ? commandHelp(about) : helpText(COMMANDS));
  }
  if (name === '--version' || name === '-v' || name === 'version') return print(io, `sisyphus ${VERSION}\n`);
  const command = named(name);
  if (!command) throw new UsageError(misnomer(name));
  return command.run({ ...io, ...parse(command, rest) });
}

function parse(command: Command, args: string[]): Pick<Invocation, 'positionals' | 'flags' | 'options'> {
  const flagNames = VARIABLES.map(({ flag }) => flag);
  const strings = Object.fromEntries(flagNames.map((flag) => [flag, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { ...strings, ...command.options },
      allowPositionals: true,
    });
    const [least, most] = command.positionals;
    if (positionals.length < least || positionals.length > most) {
      const usage = `${PROGRAM} ${command.name} ${command.parameters}`.trim();
      const problem = positionals.length < least ? 'an argument is missing' : 'one argument or more is too many';
      throw new UsageError(`${problem}: expected ${usage}`);
    }
    const entries = Object.entries(values as Invocation['options']);
    return {
      positionals,
      flags: Object.fromEntries(entries.filter(([flag]) => flagNames.includes(flag))) as Invocation['flags'],
      options: Object.fromEntries(entries.filter(([flag]) => !flagNames.includes(flag))),
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const known = [...Object.keys(command.options), ...flagNames];
    throw new UsageError(`${error.message.split(/\.\s/)[0]}${instead(error.message, command, known)}`, {
      cause: error,
    });
  }
}

/** The end of a message about an unknown option: what may be meant. */
function instead(message: string, command: Command, known: string[]): string {
  if (/is ambiguous/.test(message)) return ': expected a value that does not begin with -, or --option=value';
  const [, dashes, name = ''] = /^Unknown option '(--?)([^']*)'/.exec(message) ?? [];
  if (dashes === undefined) return '';
  const before = '-- before a text that begins with -';
  if (dashes === '-') return `: ${before}`;
  const near = nearest(name, known);
  return `: ${near === undefined ? `${PROGRAM} ${command.name} --help has all` : `--${near} may be meant`}, or ${before}`;
}

function misnomer(name: string | undefined): string {
  const names = COMMANDS.map((command) => command.name);
  if (name === undefined) return `a command is missing: ${names.join(', ')}; ${PROGRAM} --help says what each does`;
  return `${JSON.stringify(name)} is no command: ${suggestion(name, names)}`;
}

function print({ stdout }: Io, text: string): number {
  stdout.write(text);
  return EXIT.ok;
}

function linesOf(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems;
  return [reasonOf(error).replaceAll('\n', ' ')];
}
