import type { Position } from '../message/position.ts';
import type { Start } from './start.ts';

/** How far a reading has come, for those who look for a message. */
export interface Trace {
  start: Start['kind'];
  /** The client has asked for what comes after this. */
  from: Position;
  /** What came up to here was replayed, and what is later came live. */
  seam: Position;
  /** The client was sent everything up to here that it may have. */
  position: Position;
}
