import { extname } from 'node:path';

/** The file is not what was expected; it may be half written. */
export class FileProblem extends Error {}

/** The JSON list of records in a file. @throws FileProblem */
export function recordsIn(path: string, bytes: Buffer): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FileProblem('has bytes that are no UTF-8', { cause: error });
  }
  return extname(path).toLowerCase() === '.csv' ? JSON.stringify(rowsOf(text)) : listOf(text);
}

function listOf(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FileProblem(text.trim() === '' ? 'is empty' : 'is no whole JSON', { cause: error });
  }
  if (!Array.isArray(value)) throw new FileProblem('has no JSON list');
  return text;
}

/** The rows of a CSV file (RFC 4180) as objects, by the names in its first line. */
function rowsOf(text: string): Record<string, string>[] {
  const [names = [], ...rows] = cellsOf(text).filter((row) => row.length > 1 || row[0] !== '');
  if (names.length === 0) throw new FileProblem('is empty: expected a first line with names');
  if (new Set(names).size < names.length || names.includes('')) {
    throw new FileProblem('has a first line with an empty name, or with one that comes twice');
  }
  return rows.map((row, index) => {
    if (row.length !== names.length) {
      throw new FileProblem(
        `has ${row.length} cells in row ${index + 1}: expected ${names.length}, as in its first line`,
      );
    }
    return Object.fromEntries(names.map((name, i) => [name, row[i]!]));
  });
}

/** A cell, and what ends it. */
const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;

function cellsOf(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  CELL.lastIndex = 0;
  while (CELL.lastIndex < text.length || row.length > 0) {
    const match = CELL.exec(text);
    if (!match) throw new FileProblem('has a quoted cell that does not end, or goes on behind its quote');
    row.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
