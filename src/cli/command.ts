import type { Readable } from 'node:stream';
import type { Texts } from '../config/settings.ts';

/** An output of a command: for `serve` an `Output`, which never waits and never fails; for other commands a stream. */
export interface Sink {
  write(text: string): unknown;
}

/** The environment, the input and the outputs of a command; tests pass their own. */
export interface Io {
  env: Texts;
  stdin: Readable;
  stdout: Sink;
  stderr: Sink;
}

export interface Invocation extends Io {
  /** The arguments after the command's name that belong to no flag. */
  positionals: string[];
  /** The flags of the configuration, by name without dashes. */
  flags: Texts;
  /** The command's own flags, by name without dashes. */
  options: Record<string, string | boolean | undefined>;
}

export interface Command {
  name: string;
  /** The parameters as `--help` shows them after the name. */
  parameters: string;
  summary: string;
  /** How many positionals the command takes. */
  positionals: [least: number, most: number];
  /** The command's own flags; `--help` shows `meaning`. */
  options: Record<string, { type: 'string' | 'boolean'; meaning: string }>;
  /** Whether it reads every variable, as a gateway does. Other commands read only those of `MINE`. */
  isAboutGateway?: true;
  /** Settles with the exit code; `tail` never does, and ends only by an error. */
  run(invocation: Invocation): Promise<number>;
}

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
