import type { Refusal } from '../connection/refusal.ts';
import type { Descriptors } from './descriptors.ts';

/** What the HTTP side counts, for `/status` and `/readyz`. */
export interface HttpCounts {
  descriptors: Descriptors;
  /** Streams that were refused, by the word for it. */
  refused: Map<Refusal, number>;
}
