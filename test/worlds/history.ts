import type { ResetReason } from '../../src/message/reset.ts';
import type { Moment } from '../support/monitor.ts';

/** A message in the backlog. */
export interface Entry {
  moment: Moment;
  id: number;
  revision: number;
  text: string;
}

/** What somebody published, in whichever way. */
export interface Publication {
  /** A word in the text, which nothing else has. */
  tag: string;
  channel: string;
  text: string;
  plain: boolean;
  /** A plain PUBLISH: that command. A script: where it was recorded. */
  place: Moment;
  /** One, if all is well. */
  entries: Entry[];
}

/** The list of a user, after a change of it. */
export interface ListChange {
  user: string;
  moment: Moment;
  /** Changed by the library, in the same step as the message that tells of it. */
  atomic: boolean;
  channels: string[];
}

/** Somebody other than the application read the list of a user. */
export interface Look {
  user: string;
  moment: Moment;
}

export type FrameKind = 'ok' | 'error' | 'failure' | 'noop' | 'reset' | 'message';

export interface Frame {
  /** The place of its stream among the streams of the reader. */
  stream: number;
  at: number;
  kind: FrameKind;
  id: number;
  text: string;
  /** Told of a reset, and of a message in JSON. */
  channel?: string | undefined;
  revision?: number | undefined;
  reason?: ResetReason | undefined;
}

export interface Stream {
  gateway: number;
  requestedAt: number;
  /** The position that the reader brought, or was told to begin from. */
  from: number | undefined;
  okAt: number | undefined;
  closedAt: number | undefined;
  closedBy: 'reader' | 'gateway' | undefined;
}

export interface ReaderHistory {
  name: string;
  user: string;
  streams: Stream[];
  /** In the order in which they came. */
  frames: Frame[];
}

/** Everything that happened in one world, and what of the rest of Redis it takes to judge that. */
export interface History {
  world: string;
  publications: Publication[];
  lists: ListChange[];
  looks: Look[];
  readers: ReaderHistory[];
  /** The time of each command, by its order. */
  times: number[];
  /** The orders of all commands that gave out an id, to whatever channel. */
  ids: number[];
  /** When plain PUBLISHes were made, anywhere in this Redis, that were never recorded. */
  holes: number[];
  /** By gateway, when it gave something to anybody: between those it may have had no processor, or nothing to do. */
  given: ReadonlyMap<number, readonly number[]>;
  /** For how long (ms) gateways or Redis waited for a processor between two moments. */
  waited: (from: number, to: number) => number;
  /**
   * What was said last to each user, by tag. Who has it has everything from before, and the world ends; so another user, on whose list the
   * channel is, need not have it.
   */
  last: ReadonlySet<string>;
  /** Redis was a long way from some gateway, or from a part of it. */
  far: boolean;
  /** Nothing was cut, killed or stopped. */
  calm: boolean;
}

/** How far the clocks of Redis and of the readers may differ (ms): they read the same one, and round. */
export const MARGIN = 3;

/** The number of values that are less than this one, in a list that rises. */
export function countBelow(values: readonly number[], value: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first order that is surely not earlier than this time. */
export function orderBehind({ times }: Pick<History, 'times'>, at: number): number {
  return countBelow(times, at + MARGIN);
}

/** The first order that may be as late as this time. */
export function orderBefore({ times }: Pick<History, 'times'>, at: number): number {
  return countBelow(times, at - MARGIN);
}
