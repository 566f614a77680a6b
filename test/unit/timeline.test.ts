import { expect } from 'chai';
import type { Place } from '../../src/message/place.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import type { Change } from '../../src/message/rights-change.ts';
import { Timeline } from '../../src/session/timeline.ts';
import { aMessage } from '../support/messages.ts';

const ROOM = 'room:1';
const at = (id: number, number = 0): Place => ({ id: id as Position, number });
const granted = (place: Place): Change => ({ channel: ROOM, kind: 'granted', place });
const revoked = (place: Place): Change => ({ channel: ROOM, kind: 'revoked', place });

function aTimeline(list: string[], ...changes: Change[]): Timeline {
  const timeline = new Timeline();
  const channels = new Map(list.map((channel) => [channel, BEGINNING]));
  timeline.replace({ version: 100 as Position, channels, changes, unsettled: false, problem: undefined });
  return timeline;
}

/** Which of the messages at these places are for the user. */
function allowed(timeline: Timeline, ...places: Place[]): Place[] {
  return places.filter((place) => timeline.allows(aMessage({ channel: ROOM, place })));
}

describe('the rights of a user through time', () => {
  it('allow what was published while the channel was on the list, whatever the order in which that becomes known', () => {
    const changes = [granted(at(10)), revoked(at(20, 2)), granted(at(30)), revoked(at(40))];
    const places = [at(5), at(10), at(10, 1), at(20), at(20, 1), at(20, 3), at(25), at(35), at(45)];
    for (const order of [changes, changes.toReversed(), [changes[2]!, changes[0]!, changes[3]!, changes[1]!]]) {
      expect(allowed(aTimeline([], ...order), ...places)).to.deep.equal([at(10, 1), at(20), at(20, 1), at(35)]);
    }
  });

  it('allow everything on a channel of which no change is known: only those on the list are followed', () => {
    expect(allowed(aTimeline([ROOM]), at(1), at(1000, 7))).to.have.length(2);
  });

  it('follow a change that is found to stand at an earlier place', () => {
    const timeline = aTimeline([ROOM], revoked(at(20)), granted(at(30)));
    const change = { ...revoked(at(15, 1)), was: at(20) };
    timeline.apply({ before: 100 as Position, now: 101 as Position, changes: [change] });
    expect(allowed(timeline, at(15), at(15, 2), at(18), at(25), at(31))).to.deep.equal([at(15), at(31)]);
    expect(timeline.channels).to.deep.equal([ROOM]);
    expect(timeline.version).to.equal(101);
  });

  it('keep two changes of one place in the order in which they were made', () => {
    expect(allowed(aTimeline([ROOM], revoked(at(20)), granted(at(20))), at(20), at(21))).to.have.length(2);
  });

  it('forget changes that nothing can come before any more', () => {
    const timeline = aTimeline([ROOM], granted(at(10)), revoked(at(20)), granted(at(30)));
    timeline.forgetBefore(25 as Position);
    expect(allowed(timeline, at(26), at(31))).to.deep.equal([at(31)]);
    timeline.forgetBefore(30 as Position);
    expect(timeline.isQuiet).to.equal(true);
  });

  it('tell from where on a channel has to be read', () => {
    const from = (timeline: Timeline, position: number, given?: number) =>
      timeline.startOf(ROOM, position as Position, given as Position | undefined);
    expect(from(aTimeline([ROOM]), 50), 'always there').to.equal(50);
    expect(from(aTimeline([ROOM]), 50, 70), 'granted, and no change tells').to.equal(70);
    expect(from(aTimeline([ROOM], granted(at(60, 2))), 50), 'granted later').to.equal(60);
    expect(from(aTimeline([ROOM], granted(at(40))), 50), 'granted before').to.equal(50);
    const twice = aTimeline([ROOM], revoked(at(40)), granted(at(60)));
    expect(
      [30, 50, 70].map((position) => from(twice, position)),
      'revoked in between',
    ).to.deep.equal([30, 60, 70]);
  });

  it('tell of a grant that has moved to a place before the position of a reader that was not told of it', () => {
    const passed = (timeline: Timeline, position: number, late?: number) =>
      timeline.passedBy(ROOM, position as Position, late);
    const moved = { ...granted(at(20_000, 1)), was: at(40_000) };
    const wanted = { channel: ROOM, after: 20_000, before: at(40_000) };
    const fromStore = aTimeline([ROOM], { ...moved, told: 60_000 as Position });
    const live = aTimeline([ROOM], granted(at(40_000)));
    expect(passed(live, 50_000), 'has not moved').to.equal(undefined);
    live.apply({ before: 100 as Position, now: 60_000 as Position, changes: [moved] });
    for (const timeline of [fromStore, live]) {
      for (const position of [20_001, 39_999, 40_001, 59_999]) expect(passed(timeline, position)).to.deep.equal(wanted);
      for (const position of [10_000, 20_000]) expect(passed(timeline, position), 'is before it').to.equal(undefined);
      for (const position of [60_000, 70_000]) expect(passed(timeline, position), 'was told').to.equal(undefined);
      expect(passed(timeline, 50_000, 20), 'took 20 ms').to.deep.equal(wanted);
      expect(passed(timeline, 50_000, 21), 'took 20 ms').to.equal(undefined);
    }
  });
});
