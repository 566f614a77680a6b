import type { Gap } from '../hub/channel-source.ts';
import type { Place } from '../message/place.ts';
import type { Position } from '../message/position.ts';
import type { ResetReason } from '../message/reset.ts';

/** A channel of which every message after a position is to be read. */
export interface Wanted {
  channel: string;
  after: Position;
  /**
   * For an `after` that is before the reader's position: the reader has what is behind this place, and lacks what is before it. By default
   * it lacks everything up to its position.
   */
  before?: Place | undefined;
  /** The reason of a reset that is due whatever the backlog has. If it is set, only the backlog is read, and not the hub's memory. */
  broken?: ResetReason | undefined;
  /** The channel has been read before: the hub has notified the reader of its gaps. */
  isRead?: boolean;
  /** The gaps that were known before this channel was followed, if they differ from `Sources.gaps`. */
  gaps?: Gap[] | undefined;
}
