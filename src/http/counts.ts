import type { Refusal } from '../connection/refusal.ts';

/** What the HTTP side counts, for `/status`. */
export interface HttpCounts {
  /** Streams that were refused, by the word for it. */
  refused: Map<Refusal, number>;
}
