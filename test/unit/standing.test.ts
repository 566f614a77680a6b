import { expect } from 'chai';
import { replyError as reply } from '../../src/store/redis/redis-error.ts';
import { Standing } from '../../src/store/redis/standing.ts';

const READ_ONLY = reply("READONLY You can't write against a read only replica.");
const DENIED = reply("NOPERM this user has no permissions to run the 'info' command");

describe('the standing with Redis', () => {
  let now: number;
  let standing: Standing;
  let told: number;
  beforeEach(() => {
    now = 1_000_000;
    told = 0;
    standing = new Standing(
      () => told++,
      () => now,
    );
  });
  const stops = (): string[] => standing.troubles().map(({ stops }) => stops);
  const reasons = (): string =>
    standing
      .troubles()
      .map(({ reason }) => reason)
      .join();

  it('gives a reason once, as the worst that it stops', () => {
    standing.failed('marking', READ_ONLY);
    standing.failed('recording', READ_ONLY);
    expect(stops()).to.deep.equal(['publishing']);
    standing.failed('reading', READ_ONLY);
    expect(stops()).to.deep.equal(['readers']);
    expect(reasons()).to.match(/READONLY.*expected/);
    expect(told).to.equal(3);
    for (const task of ['marking', 'recording', 'reading'] as const) standing.worked(task);
    expect(standing.troubles()).to.deep.equal([]);
  });

  it('takes only answers of Redis for refusals', () => {
    standing.failed('marking', new Error('Command timed out'));
    expect(standing.isRefused).to.equal(false);
    expect(told).to.equal(0);
  });

  it('says that Redis cannot be reached when a connection is missing for a while, and nothing else then', () => {
    standing.failed('marking', READ_ONLY);
    standing.lost('hub', new Error('connect ECONNREFUSED 10.0.0.1:6379'));
    expect(stops()).to.deep.equal(['publishing']);
    now += 600;
    const [trouble, ...others] = standing.troubles();
    expect(trouble).to.deep.include({ stops: 'all', detail: 'connect ECONNREFUSED 10.0.0.1:6379' });
    expect(trouble!.reason).not.to.contain('10.0.0.1');
    expect(others).to.deep.equal([]);
    standing.made('hub');
    expect(stops()).to.deep.equal(['publishing']);
  });

  it('tells a connection that is refused from one that cannot be made', () => {
    standing.lost('hub', reply('WRONGPASS invalid username-password pair or user is disabled.'));
    expect(stops()).to.deep.equal(['readers']);
    expect(reasons()).to.contain('WRONGPASS');
    standing.lost('hub', new Error('connect ECONNREFUSED'));
    now += 600;
    expect(stops()).to.deep.equal(['all']);
    standing.lost('hub', reply('ERR max number of clients reached'));
    expect(stops()).to.deep.equal(['readers']);
  });

  it('leaves it to the probe to say which command is denied', () => {
    standing.failed('marking', DENIED);
    expect(standing.troubles()).to.deep.equal([]);
    standing.found([{ stops: 'publishing', reason: 'Redis refuses INFO' }]);
    now += 60_000;
    expect(reasons()).to.equal('Redis refuses INFO');
    standing.found([]);
    now += 1900;
    expect(reasons()).to.equal('');
    // Whatever it is that is denied, it was not among what was tried.
    now += 200;
    expect(reasons()).to.contain('NOPERM');
  });

  it('lets a connection go that leads to a replica, when commands are accepted elsewhere, and not before', () => {
    standing.wrote('commands');
    for (let episode = 0; episode < 3; episode++) {
      now += 300;
      expect(standing.isMasterElsewhere('recorder')).to.equal(false);
      now += 700;
      expect(standing.isMasterElsewhere('recorder')).to.equal(false);
      // It is a master again, for both.
      now += 100;
      standing.wrote('commands');
      standing.wrote('recorder');
    }
    expect(standing.isMasterElsewhere('recorder')).to.equal(false);
    now += 100;
    standing.wrote('commands');
    expect(standing.isMasterElsewhere('recorder')).to.equal(true);
  });
});
