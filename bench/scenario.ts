import type { PeerName, Server } from './peers/peer.ts';
import type { Figures, Rig } from './rig.ts';

/** What a case may ask of the runner: servers, which it closes when the turn is over. */
export interface Turn {
  peer: PeerName;
  start(env?: Record<string, string>): Promise<Server>;
  /** Registers a rig, so that its problems count and it is closed. */
  watch<R extends Rig>(rig: R): R;
  /** Ends what has been started so far in this turn; its problems are kept. */
  clear(): Promise<void>;
}

/** `atMost` a bound, times the reference's figure of the same metric where there is one. */
export interface Goal {
  metric: string;
  against?: 'nchan-redis' | 'nchan-best' | 'loop';
  atMost?: number;
  atLeast?: number;
}

export interface Case {
  /** `<scenario>/<case>`, what the command line selects by its beginning. */
  name: string;
  title: string;
  peers: readonly PeerName[];
  /** Metrics shown in the table, the first one in the picture. */
  show: readonly string[];
  goals: readonly Goal[];
  measure(turn: Turn): Promise<Figures>;
}

export interface Size {
  quick: boolean;
  /** Divides the seconds of paced loads; 1 is the full length. */
  seconds: number;
}

export type Scenario = (size: Size) => Case[];

export const thousands = (n: number): string => n.toLocaleString('en-US');
