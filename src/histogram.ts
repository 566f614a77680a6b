/** How many values were counted in each range, as plain JSON: so the histograms of several processes can be added up. */
export type Histogram = {
  sum: number;
  count: number;
  /** By upper bound: the values that are at most so large, and larger than the bound before. What is larger than all is in `count` only. */
  le: Record<string, number>;
};

export function createHistogram(bounds: readonly number[]): Histogram {
  return { sum: 0, count: 0, le: Object.fromEntries(bounds.map((bound) => [String(bound), 0])) };
}

/** @param bounds those with which the histogram was created, in rising order */
export function observe(histogram: Histogram, bounds: readonly number[], value: number): void {
  histogram.sum += value;
  histogram.count++;
  for (const bound of bounds) {
    if (value > bound) continue;
    histogram.le[String(bound)]!++;
    return;
  }
}
