import { expect } from 'chai';
import { RecentDisconnects } from '../../src/session/recent-disconnects.ts';

describe('recent disconnects', () => {
  let now: number;
  let recent: RecentDisconnects;

  beforeEach(() => {
    now = 1_000_000;
    recent = new RecentDisconnects(() => now);
  });

  it('are against requests of the user that began before, and no others', () => {
    recent.note({ user: '7', at: now - 5 });
    expect(recent.reasonAgainst({ user: '7' }, now - 6)).to.equal('revoked');
    expect(recent.reasonAgainst({ user: '7', credential: 'a' }, now - 6)).to.equal('revoked');
    expect(recent.reasonAgainst({ user: '7' }, now - 4)).to.equal(undefined);
    expect(recent.reasonAgainst({ user: '8' }, now - 6)).to.equal(undefined);
  });

  it('of a credential are against that one alone', () => {
    recent.note({ user: '7', credential: 'a', at: now });
    expect(recent.reasonAgainst({ user: '7', credential: 'a' }, now - 1)).to.equal('revoked');
    expect(recent.reasonAgainst({ user: '7', credential: 'b' }, now - 1)).to.equal(undefined);
    expect(recent.reasonAgainst({ user: '7' }, now - 1)).to.equal(undefined);
  });

  it('do not count less if an earlier one is noted again', () => {
    recent.note({ user: '7', at: now });
    recent.note({ user: '7', at: now - 100 });
    expect(recent.reasonAgainst({ user: '7' }, now - 1)).to.equal('revoked');
  });

  it('are not kept for longer than a request may wait, and those of long ago not at all', () => {
    recent.note({ user: '7', at: now });
    recent.note({ user: '8', at: now - 60_000 });
    expect(recent.reasonAgainst({ user: '8' }, now - 70_000)).to.equal(undefined);
    now += 9_000;
    recent.note({ user: '9', at: now });
    expect(recent.reasonAgainst({ user: '7' }, now - 9_001)).to.equal('revoked');
    now += 2_000;
    recent.note({ user: '9', at: now });
    expect(recent.reasonAgainst({ user: '7' }, now - 11_001)).to.equal(undefined);
  });

  it('are against everybody if it is not known whose they are, or if there are too many', () => {
    recent.note({ user: undefined, at: now });
    expect(recent.reasonAgainst({ user: '7' }, now - 1)).to.equal('redis');
    expect(recent.reasonAgainst({ user: '7' }, now + 1)).to.equal(undefined);
    now += 10;
    for (let i = 0; i < 100_000; i++) recent.note({ user: `user.${i}`, at: now });
    expect(recent.reasonAgainst({ user: '7' }, now - 1)).to.equal(undefined);
    recent.note({ user: 'one.more', at: now });
    expect(recent.reasonAgainst({ user: 'one.more' }, now - 1)).to.equal('revoked');
    expect(recent.reasonAgainst({ user: '7' }, now - 1)).to.equal('redis');
    expect(recent.reasonAgainst({ user: '7' }, now + 1)).to.equal(undefined);
  });
});
