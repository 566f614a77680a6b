/** The times of the recorder (ms). They belong together: a standby takes the lease 1.2 s after the owner died, which is `lease` + `turn`. */
export interface RecorderTimes {
  /** How long the lease lasts. */
  lease: number;
  /** Interval at which the owner renews the lease, and a standby asks for it. */
  turn: number;
  /** Interval at which a spare gateway asks whether it is needed. */
  spareTurn: number;
  /** Interval at which an anchor is requested: it proves that the connection is alive, and tells the place on it. */
  anchor: number;
  /** If no lease was seen in force for this long, plain PUBLISHes may not be recorded at the moment. */
  heldLately: number;
  /** How long the end of a listening period may take. If messages are not recorded by then, readers are told by a gap. */
  retire: number;
}

export const TIMES: RecorderTimes = {
  lease: 900,
  turn: 250,
  spareTurn: 1000,
  anchor: 700,
  heldLately: 3000,
  retire: 5000,
};
