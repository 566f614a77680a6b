import type { Position } from '../message/position.ts';

/** When the message with this id was published, to the millisecond. */
export function timeOf(id: Position): string {
  return new Date(id / 1000).toISOString();
}

/** Rows as columns of equal width, for a terminal. An empty cell is a dash. */
export function columns(rows: string[][]): string {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (cell || '-').padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * Escapes control characters other than tab, so that a publisher cannot control the terminal, nor begin a line that looks like another
 * message.
 */
export function visible(text: string): string {
  return text.replace(/(?!\t)\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
