import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The documents outside of docs/. */
const OUTSIDE = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'UPGRADE.md', 'SECURITY.md', 'bench/README.md'];

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The files below a folder that end so, by their path from the root. */
export function filesBelow(folder: string, end: string): string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(end)).map((name) => posix.join(folder, name));
}

/** Every document, by its path. */
export function documents(): Map<string, string> {
  return new Map(
    [...OUTSIDE, ...filesBelow('examples', '.md'), ...filesBelow('docs', '.md').sort()].map((path) => [
      path,
      read(path),
    ]),
  );
}

/** A cell as it is read: without backticks. */
export const plain = (cell: string): string => cell.replaceAll('`', '');

/** The rows of each table of the page whose first heading is this, cell by cell. */
export function table(path: string, heading: string): string[][] {
  const lines = read(path).split('\n');
  const rows: string[][] = [];
  for (const [at, line] of lines.entries()) {
    if (!line.startsWith(`| ${heading} |`)) continue;
    for (let row = at + 2; lines[row]?.startsWith('|'); row++) {
      const cells = lines[row]!.split(/(?<!\\)\|/).slice(1, -1);
      rows.push(cells.map((cell) => cell.trim().replaceAll('\\|', '|')));
    }
  }
  expect(rows, `rows of a table of ${heading} in ${path}`).not.to.deep.equal([]);
  return rows;
}

export interface Block {
  /** What stands behind the three backticks: `sh`, `js`, …; empty for a picture. */
  language: string;
  text: string;
  /** The number of its first line in the page. */
  line: number;
}

/** The blocks of code, in their order. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  for (const match of text.matchAll(/^```(\w*)\n(.*?)^```$/gms)) {
    const line = text.slice(0, match.index).split('\n').length + 1;
    blocks.push({ language: match[1]!, text: match[2]!, line });
  }
  return blocks;
}

export function withoutBlocks(text: string): string {
  return text.replace(/^```\w*\n.*?^```$/gms, '');
}

/** Where the links of the page lead to, but for those to other sites; as they are written. */
export function linksOf(text: string): string[] {
  const links = [
    ...withoutBlocks(text)
      .replace(/`[^`\n]*`/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ];
  return links.map(([, target]) => target!).filter((target) => !/^[a-z]+:/.test(target));
}

/** The names by which GitHub links to the headings of the page. */
export function anchorsOf(text: string): string[] {
  const headings = [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)];
  return headings.map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** The file and the heading that a link on this page leads to. */
export function targetOf(path: string, link: string): { file: string; anchor: string | undefined } {
  const [name = '', anchor] = link.split('#');
  return { file: name === '' ? path : posix.join(posix.dirname(path), name), anchor };
}
