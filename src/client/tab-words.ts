/** What tabs that share a line say to one another. */

/** A leader says where it is: at its beginning, and whenever it is asked. `term` is later than that of all leaders before. */
export interface Here {
  term: number;
  /** The position of the leader; `NaN` before its first frame, if it began without one. */
  at: number;
  line: Opened;
}

/** What is known of a line that is open. */
export interface Opened {
  /** The first frames of the line, `ok` and `denied`; empty before these have come, and after the gateway has said that the line will end. */
  head: string[];
  /** Whoever has everything up to here has everything up to the line's position. */
  floor: number;
  /** The line has had a reset. It may be about messages after the position of another tab, so each tab that comes asks by a line of its own. */
  isTorn?: boolean;
  /** The line has sent more than its first frames, and so all resets with which it began. */
  hasBegun?: boolean;
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

/** Who the user of a page is, as the page says. */
export interface Page {
  key: string;
  /** When it was first seen, by its clock (ms), and in any case later than the page that was seen before it. */
  born?: number;
}
