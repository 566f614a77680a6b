import type { Readable } from 'node:stream';
import type { Texts } from '../config.ts';

/** Where a command writes to. `serve` brings an `Output`, which never waits and never fails; the others a stream. */
export interface Sink {
  write(text: string): unknown;
}

/** What a command has to do with the world; tests bring their own. */
export interface Io {
  env: Texts;
  stdin: Readable;
  stdout: Sink;
  stderr: Sink;
}

export interface Invocation extends Io {
  /** Behind the command's name. */
  positionals: string[];
  /** Of the configuration, by flag name. */
  flags: Texts;
  /** Of the command itself. */
  options: Record<string, string | boolean | undefined>;
}

export interface Command {
  name: string;
  /** What stands behind the name. */
  parameters: string;
  summary: string;
  /** How many positionals are right. */
  positionals: [least: number, most: number];
  /** Of the command itself, with what `--help` says of them. */
  options: Record<string, { type: 'string' | 'boolean'; meaning: string }>;
  /** Settles with the exit code, or never (serve). */
  run(invocation: Invocation): Promise<number>;
}

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** The caller has said something that cannot be right: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
