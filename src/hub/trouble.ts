/** A reason for which a store does not work, or only in part, at the moment. */
export interface Trouble {
  /** `all`: the store does not answer. `readers`: it answers, but refuses commands that readers need. `publishing`: readers are served. */
  stops: 'all' | 'readers' | 'publishing';
  /** What is wrong and what is expected instead, in a sentence that may be shown to anybody. */
  reason: string;
  /** The driver's error text; only for the log, because it may name addresses. */
  detail?: string;
  /** The command that mends it, if there is one. */
  mend?: string;
}
