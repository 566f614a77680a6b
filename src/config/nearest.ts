import { PROGRAM } from '../root.ts';

/** Some variables have this prefix, and PORT, HOST and REDIS_URL have none. */
const PREFIX = /^SISYPHUS_/;

/**
 * The candidate with the smallest edit distance to the name; `undefined` if all are so far away that none may be meant. Neither case counts,
 * nor the prefix of variables, which is easily one too many.
 */
export function nearest(name: string, candidates: string[]): string | undefined {
  const word = comparable(name);
  const distances = candidates.map((candidate) => distance(word, comparable(candidate)));
  const least = Math.min(...distances);
  return least <= word.length / 2 ? candidates[distances.indexOf(least)] : undefined;
}

/** The end of a message about an unknown name: which one may be meant, else where all are. */
export function suggestion(name: string, candidates: string[], dashes = ''): string {
  const near = nearest(name, candidates);
  return near === undefined ? `${PROGRAM} --help has all` : `${dashes}${near} may be meant`;
}

function comparable(name: string): string {
  return name.toUpperCase().replace(PREFIX, '');
}

/** The Levenshtein distance, computed row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
