/** Something that a store does not do at the moment. */
export interface Trouble {
  /** `all`: it answers nobody. `readers`: it answers, and refuses what a reader needs. `publishing`: readers are served. */
  stops: 'all' | 'readers' | 'publishing';
  /** What is wrong and what would be right, in a sentence that may be shown to anybody. */
  reason: string;
  /** What the driver said; for the log alone, because it may name addresses. */
  detail?: string;
}
