/** The candidate with the smallest edit distance to the name; case does not count. */
export function nearest(name: string, candidates: string[]): string {
  const upper = name.toUpperCase();
  const distances = candidates.map((candidate) => distance(upper, candidate.toUpperCase()));
  return candidates[distances.indexOf(Math.min(...distances))]!;
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
