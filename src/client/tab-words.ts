/** What tabs that share a line say to one another. */

/** A leader says where it is: at its beginning, and whenever it is asked. `term` is later than that of all leaders before. */
export interface Here {
  term: number;
  /** Its position; `NaN` before its first frame, if it began without one. */
  at: number;
  line: Opened;
}

/** What is known of a line that was opened. */
export interface Opened {
  /** The frames of its opening, `ok` and `denied`. */
  head: string[];
  /** Whoever has everything up to here has everything up to the line's position. */
  floor: number;
  /** It has had a reset, which may be about what comes behind the position of other tabs: these ask by a line of their own. */
  isTorn: boolean;
  /** It has sent more than its opening, so all resets that it began with. */
  hasBegun: boolean;
}

/** A frame of the leader's line. */
export interface Shared {
  term: number;
  data: string;
  id: string;
}

/** The leader's line has ended. */
export interface Ended {
  term: number;
}

/** Is there a leader, and where is it? */
export const ASK = 0;

export type Word = typeof ASK | Here | Shared | Ended;

/** The page that came later is right: an older one may only have opened its line again. */
export interface Page {
  key: string;
  /** When it came (ms, with a fraction that no other page has). */
  born: number;
}
