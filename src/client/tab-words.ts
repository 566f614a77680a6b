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
  /** The frames of its opening, `ok` and `denied`; none before them, and none once the gateway has said that the line will end. */
  head: string[];
  /** Whoever has everything up to here has everything up to the line's position. */
  floor: number;
  /** It has had a reset, which may be about what comes after the position of other tabs: these ask by a line of their own. */
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

/** The leader's line has ended, and is not to be opened again at once. */
export interface Ended {
  term: number;
}

/** `0` asks: is there a leader, and where is it? */
export type Word = 0 | Here | Shared | Ended;

/** Who the user of a page is, by its own word. */
export interface Page {
  key: string;
  /** When it came (ms, with a fraction that no other page has). */
  born: number;
}
