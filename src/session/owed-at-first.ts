import type { Rights } from '../backlog/backlog.ts';
import { isAfter, laterOf, type Position } from '../message/position.ts';
import { SETTLING } from '../patience.ts';
import type { Wanted } from '../reading/wanted.ts';
import type { Timeline } from './timeline.ts';

/**
 * If a grant moves sooner than this after it was found (ms), no stream has gone past its place, because each stream waits for `SETTLING` before
 * it goes on; the clocks of two machines may differ by the rest. A client whose stream had just begun then has a position behind that place,
 * too, and has missed nothing.
 */
const PASSING = SETTLING - 500;

/**
 * What has to be read of channels of the list when a stream opens, for a reader that has everything up to `position`. Of a channel that is
 * not on the list with which the stream opened (`listed`), only messages after a later grant are owed, even if the user once had the right.
 */
export function owedAtFirst(
  timeline: Timeline,
  followed: readonly string[],
  position: Position,
  listed: Pick<Rights, 'channels' | 'version'>,
): Wanted[] {
  return followed.flatMap((channel) => {
    if (listed.channels.has(channel)) {
      const granted = listed.channels.get(channel);
      return [timeline.owedOf(channel, position, { granted, late: PASSING })];
    }
    const grant = timeline.grantAfter(channel, listed.version) ?? timeline.lastGrantOf(channel);
    const isOwed = grant && (timeline.channels.includes(channel) || isAfter(grant.id, listed.version));
    return isOwed ? [{ channel, after: laterOf(position, grant.id) }] : [];
  });
}
