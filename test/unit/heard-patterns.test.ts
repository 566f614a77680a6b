import { expect } from 'chai';
import { HeardPatterns } from '../../src/store/redis/heard-patterns.ts';
import { PlainNames } from '../../src/store/redis/plain-names.ts';

/** What a gateway hears that is configured with these, at a time that the test decides. */
function hearing(...own: string[]) {
  const clock = { now: 0 };
  const patterns = new HeardPatterns(new PlainNames(own, ''), () => clock.now);
  return { patterns, clock };
}

/** How often a name is taken for heard, where Redis says it for each pattern that is subscribed. */
function times(patterns: HeardPatterns, subscribed: string[], name: string): number {
  return subscribed.filter((pattern) => patterns.accepts(pattern, name)).length;
}

describe('the patterns that a recorder hears', () => {
  it('are its own until the store says something else, and each name is heard once', () => {
    const { patterns } = hearing('*:*', 'room:*');
    const { hear, forget } = patterns.begin();
    expect([hear, forget]).to.deep.equal([['*:*', 'room:*'], []]);
    for (const name of ['room:1', 'folder:1']) expect(times(patterns, hear, name)).to.equal(1);
    expect(times(patterns, hear, 'nocolon')).to.equal(0);
    expect(patterns.next()).to.equal(undefined);
  });

  it('are those by which places are counted already, and those that are asked for, of which it counts the first', () => {
    const { patterns } = hearing('folder:*');
    patterns.learn('room:*', 'folder:* room:*', false);
    const { hear } = patterns.begin();
    expect(hear).to.have.members(['room:*', 'folder:*']);
    expect(patterns.counted.description).to.equal('room:*');
    expect(times(patterns, hear, 'room:1')).to.equal(1);
    expect(times(patterns, hear, 'folder:1')).to.equal(0);
  });

  it('become more when more are asked for: first subscribed by all, then counted from an anchor on', () => {
    const { patterns, clock } = hearing('room:*');
    patterns.begin();
    clock.now = 1000;
    patterns.learn('room:*', 'folder:* room:*', true);
    expect(patterns.missing()).to.deep.equal(['folder:*']);
    clock.now = 2000;
    expect(patterns.next(), 'not subscribed yet').to.equal(undefined);
    patterns.hear(['folder:*']);
    expect(patterns.next()).to.equal('folder:* room:*');
    expect(times(patterns, ['room:*', 'folder:*'], 'folder:1')).to.equal(0);
    expect(patterns.anchored('room:*', false)).to.equal('same');
    expect(patterns.anchored('folder:* room:*', true)).to.equal('switched');
    expect(times(patterns, ['room:*', 'folder:*'], 'folder:1')).to.equal(1);
    expect(patterns.next()).to.equal(undefined);
  });

  it('leave others the time to subscribe them, too', () => {
    const { patterns, clock } = hearing('room:*');
    patterns.begin();
    patterns.learn('room:*', 'folder:* room:*', true);
    patterns.hear(patterns.missing());
    clock.now = 100;
    expect(patterns.next()).to.equal(undefined);
    patterns.learn('room:*', 'folder:* room:*', true);
    clock.now = 151;
    expect(patterns.next()).to.equal('folder:* room:*');
  });

  it('become fewer only when fewer have been asked for for a while', () => {
    const { patterns, clock } = hearing('folder:*', 'room:*');
    patterns.begin();
    patterns.learn('folder:* room:*', 'room:*', true);
    clock.now = 4900;
    expect(patterns.next()).to.equal(undefined);
    patterns.learn('folder:* room:*', 'folder:* room:*', true);
    patterns.learn('folder:* room:*', 'room:*', true);
    clock.now = 9800;
    expect(patterns.next()).to.equal(undefined);
    clock.now = 10_000;
    expect(patterns.next()).to.equal('room:*');
    expect(patterns.takeSuperfluous(), 'still counted').to.deep.equal([]);
    expect(patterns.anchored('room:*', true)).to.equal('switched');
    expect(patterns.takeSuperfluous()).to.deep.equal(['folder:*']);
    expect(times(patterns, ['folder:*', 'room:*'], 'folder:1')).to.equal(0);
  });

  it('first become more and then fewer where others are asked for', () => {
    const { patterns, clock } = hearing('room:*');
    patterns.begin();
    patterns.learn('room:*', 'folder:*', true);
    patterns.hear(patterns.missing());
    clock.now = 200;
    expect(patterns.next()).to.equal('folder:* room:*');
    patterns.anchored('folder:* room:*', true);
    expect(patterns.next()).to.equal(undefined);
    clock.now = 5000;
    expect(patterns.next()).to.equal('folder:*');
  });

  it('are heard once while some are subscribed, and others are not any more', () => {
    const { patterns } = hearing('*:*');
    patterns.begin();
    patterns.hear(['room:*']);
    expect(times(patterns, ['*:*', 'room:*'], 'room:1')).to.equal(1);
    patterns.learn('*:*', 'room:*', true);
    patterns.anchored('room:*', true);
    expect(patterns.takeSuperfluous()).to.deep.equal(['*:*']);
    // Redis still says it for both.
    expect(times(patterns, ['*:*', 'room:*'], 'room:1')).to.equal(1);
  });

  it('are stale where they were counted by others without an anchor that says so, or were not all heard', () => {
    for (const isSwitch of [false, true]) {
      const { patterns } = hearing('room:*');
      patterns.begin();
      if (!isSwitch) patterns.hear(['folder:*']);
      expect(patterns.anchored('folder:* room:*', isSwitch)).to.equal('stale');
      // It begins anew with these.
      expect(patterns.begin().hear).to.have.members(['folder:*', 'room:*']);
      expect(patterns.anchored('folder:* room:*', false)).to.equal('same');
    }
  });

  it('go by what is heard and not by what is answered, while it is heard', () => {
    const { patterns } = hearing('room:*');
    patterns.begin();
    patterns.learn('folder:* room:*', 'folder:* room:*', true);
    expect(patterns.counted.description).to.equal('room:*');
    patterns.end();
    patterns.learn('folder:* room:*', '-', false);
    expect(patterns.counted.description).to.equal('folder:* room:*');
    expect(patterns.missing()).to.deep.equal(['folder:*', 'room:*']);
  });

  it('have the prefix of the driver that places are counted with', () => {
    const patterns = new HeardPatterns(new PlainNames(['room:*'], 'app_'), () => 0);
    expect(patterns.begin().hear).to.deep.equal(['room:*', 'app_room:*']);
    expect(patterns.anchored('room:* prefix=app_', false)).to.equal('same');
    patterns.learn('', 'folder:* room:*', true);
    expect(patterns.missing()).to.deep.equal(['folder:*', 'app_folder:*']);
  });
});
