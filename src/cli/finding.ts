import type { Sink } from './command.ts';

/** `bad`: something does not work. `weak`: it works, and a guarantee is weaker than it could be. */
export type Level = 'ok' | 'note' | 'weak' | 'bad';

/** One thing that `doctor` has looked at. */
export interface Finding {
  area: 'redis' | 'machine' | 'gateway' | 'proxy';
  level: Level;
  text: string;
  /** The line that mends it: a command, or a line of a configuration. */
  mend?: string | undefined;
}

/** Lines that mend what a text says, each with the pattern of such texts. */
export type Mends = readonly [RegExp, string][];

/** The line that mends what the text says; `undefined` if none is known. */
export function mendOf(mends: Mends, text: string): string | undefined {
  return mends.find(([pattern]) => pattern.test(text))?.[1];
}

const COLORS: Record<Level, number> = { ok: 32, note: 36, weak: 33, bad: 31 };

export function printFindings(findings: Finding[], stdout: Sink, isColored: boolean): void {
  for (const { area, level, text, mend } of findings) {
    const word = level.padEnd(5);
    stdout.write(`${area.padEnd(8)} ${isColored ? `\x1b[${COLORS[level]}m${word}\x1b[0m` : word} ${text}\n`);
    if (mend !== undefined) stdout.write(`${' '.repeat(15)}mend: ${mend}\n`);
  }
}
