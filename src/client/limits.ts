/** How long the credential and the first frame may take (ms). */
export const PATIENCE = 12_000;
/** After so many intervals without a noop the line is dead; at least so long (ms). */
export const SILENT_INTERVALS = 2;
export const LEAST_SILENCE = 3_000;
/** If more messages of a channel wait for its state, it is loaded again instead. */
export const MOST_HELD = 10_000;
/** How often the silence is looked at (ms). */
export const LOOK = 1_000;
/** After this many failures in a row, which take about five minutes, the pauses between openings are longer. */
export const MANY_FAILURES = 100;
/** The gateway asks for no longer pause (ms). Above 24 days, a timer of a browser would end at once. */
export const LONGEST_RETRY = 60_000;
