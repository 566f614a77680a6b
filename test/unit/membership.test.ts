import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Backlog } from '../../src/backlog/backlog.ts';
import { SisyphusError } from '../../src/errors.ts';
import type { Hub } from '../../src/hub/hub.ts';
import type { Reader } from '../../src/hub/subscription.ts';
import { createLogger } from '../../src/logger.ts';
import type { Place } from '../../src/message/place.ts';
import { BEGINNING, type Position } from '../../src/message/position.ts';
import type { RightsChange } from '../../src/message/rights-change.ts';
import { Additions } from '../../src/reading/additions.ts';
import { Membership } from '../../src/session/membership.ts';
import { eventually } from '../support/wait.ts';

describe('a membership, while Redis answers nobody', () => {
  it('follows nothing any more when its reader has gone, also between one try and the next', async () => {
    const followed = new Set<string>();
    let failed = 0;
    const hub = {
      gaps: [],
      isAnswered: false,
      follow: async (_reader: Reader, channels: string[]) => {
        for (const channel of channels) followed.add(channel);
        await pause(1);
        failed++;
        throw new SisyphusError('redis_unavailable', 'no answer');
      },
      leave: (_reader: Reader, channels: Iterable<string>) => {
        for (const channel of channels) followed.delete(channel);
      },
    } as unknown as Hub;
    const rights = { version: 1, channels: new Map([['room:a', BEGINNING]]), changes: [], unsettled: false };
    const backlog = { rights: async () => [rights] } as unknown as Backlog;
    const options = { user: '7', hub, backlog, recordsPlain: () => false, logger: createLogger('silent') };
    const membership = new Membership({} as Reader, new Additions(), options);
    const reading = membership.reread().catch(() => undefined);
    await eventually(() => failed === 1, 1000, 1);
    membership.leave();
    await reading;
    expect([...followed]).to.deep.equal([]);
  });
});

const at = (id: number, number = 0): Place => ({ id: id as Position, number });

describe('a membership, whose list is read again', () => {
  const followed = new Set<string>();
  const hub = {
    gaps: [],
    isAnswered: true,
    follow: async (_reader: Reader, channels: string[]) => {
      for (const channel of channels) followed.add(channel);
    },
  } as unknown as Hub;
  const GRANT = { channel: 'room:a', kind: 'granted', was: undefined } as const;
  const REVOCATION = { channel: 'room:a', kind: 'revoked', was: undefined, place: at(20) } as const;

  /** Opened with an empty list of version 5, which is then what is given here. */
  async function reread(
    version: number,
    channels: [string, number][],
    changes: object[],
  ): Promise<{ membership: Membership; additions: Additions }> {
    followed.clear();
    const additions = new Additions();
    const lists = [
      { version: 5, channels: new Map(), changes: [] },
      { version, channels: new Map(channels), changes },
    ];
    const backlog = { rights: async () => [lists.shift()] } as unknown as Backlog;
    const options = { user: '7', hub, backlog, recordsPlain: () => false, logger: createLogger('silent') };
    const membership = new Membership({} as Reader, additions, options);
    await membership.open();
    await membership.reread();
    return { membership, additions };
  }

  it('follows what was granted and revoked meanwhile: between the two it was for the user', async () => {
    const { additions } = await reread(20, [], [{ ...GRANT, place: at(10) }, REVOCATION]);
    expect([...followed]).to.deep.equal(['user:7', 'room:a']);
    expect(additions.owedOf('room:a', 5 as Position)).to.deep.equal({ channel: 'room:a', after: 10, gaps: [] });
  });

  it('reads from the place of a grant, also where it stands right behind the version that was known', async () => {
    const { additions } = await reread(9, [['room:a', 9]], [{ ...GRANT, place: at(5, 1) }]);
    expect(additions.owedOf('room:a', 5 as Position)).to.deep.equal({ channel: 'room:a', after: 5, gaps: [] });
  });

  it('reads what was published before a revocation, also if the channel is granted again before that is read', async () => {
    const { membership, additions } = await reread(6, [['room:a', 6]], []);
    additions.clear();
    const changes = [REVOCATION, { ...GRANT, place: at(30) }];
    membership.changed({ before: 6, now: 30, changes } as unknown as RightsChange);
    expect(additions.isEmpty).to.equal(false);
    expect(additions.owedOf('room:a', 10 as Position)).to.equal(undefined);
    expect(membership.owedOf('room:a', 10 as Position)).to.deep.equal({ channel: 'room:a', after: 10 });
  });

  it('leaves alone what was granted and revoked before', async () => {
    await reread(
      30,
      [],
      [
        { ...GRANT, place: at(3) },
        { ...REVOCATION, place: at(4) },
      ],
    );
    expect([...followed]).to.deep.equal(['user:7']);
  });

  describe('and may have at most three channels', () => {
    async function opened(
      listed: string[],
      granted: string[] = [],
    ): Promise<{ membership: Membership; tooMany: number[]; list: string[] }> {
      followed.clear();
      const tooMany: number[] = [];
      const list = listed;
      const rights = async () => [{ version: 5, channels: new Map(list.map((name) => [name, 5])), changes: [] }];
      const backlog = { rights } as unknown as Backlog;
      const options = { user: '7', hub, backlog, recordsPlain: () => false, logger: createLogger('silent') };
      const reader = {
        onTooMany: (count: number): void => {
          tooMany.push(count);
          membership.leave();
        },
      } as unknown as Reader;
      const leaving = { ...hub, leave: () => undefined } as unknown as Hub;
      const membership = new Membership(reader, new Additions(), { ...options, hub: leaving, maxChannels: 3, granted });
      await membership.open();
      return { membership, tooMany, list };
    }

    it('ends if the list has more, and follows none of them', async () => {
      const { tooMany } = await opened(['room:a', 'room:b', 'room:c', 'room:d']);
      expect(tooMany).to.deep.equal([4]);
      expect([...followed]).to.deep.equal(['user:7']);
    });

    it('counts a channel once that the list and the credential have, and not its own', async () => {
      const { tooMany, membership } = await opened(['room:a', 'room:b', 'room:c', 'user:7'], ['room:a', 'user:7']);
      expect([tooMany, membership.size]).to.deep.equal([[], 3]);
      expect((await opened(['room:a', 'room:b', 'room:c'], ['room:d'])).tooMany).to.deep.equal([4]);
    });

    it('ends if a message grants one more, and not if it takes one away before', async () => {
      const { tooMany, membership } = await opened(['room:a', 'room:b', 'room:c']);
      const grant = (id: number) => ({ channel: 'room:d', kind: 'granted', was: undefined, place: at(id) });
      const revoke = { ...REVOCATION, place: at(6) };
      membership.changed({ before: 5, now: 7, changes: [revoke, grant(7)] } as unknown as RightsChange);
      expect(tooMany).to.deep.equal([]);
      const more = { ...grant(8), channel: 'room:e' };
      membership.changed({ before: 7, now: 8, changes: [more] } as unknown as RightsChange);
      expect(tooMany).to.deep.equal([4]);
    });

    it('ends if the list has grown when it is read again', async () => {
      const { tooMany, membership, list } = await opened(['room:a']);
      list.push('room:b', 'room:c', 'room:d');
      await membership.reread();
      expect(tooMany).to.deep.equal([4]);
      expect([...followed]).to.deep.equal(['user:7', 'room:a']);
    });
  });
});

describe('a membership with channels of the credential', () => {
  const RIGHTS = { version: 5, channels: new Map([['room:list', 5]]), changes: [], unsettled: false };

  async function open(options: object): Promise<{ membership: Membership; followed: string[]; lists: number }> {
    const seen = { followed: [] as string[], lists: 0 };
    const hub = {
      follow: async (_reader: Reader, channels: string[]) => seen.followed.push(...channels),
      leave: (_reader: Reader, channels: string[]) => {
        seen.followed = seen.followed.filter((channel) => !channels.includes(channel));
      },
    } as unknown as Hub;
    const backlog = { rights: async () => [seen.lists++, RIGHTS].slice(1) } as unknown as Backlog;
    const base = { user: '7', hub, backlog, recordsPlain: () => false, logger: createLogger('silent') };
    const membership = new Membership({} as Reader, new Additions(), { ...base, ...options });
    await membership.open();
    return Object.assign(seen, { membership });
  }

  it('follows them beside those of the list, and is owed each once', async () => {
    const { membership, followed } = await open({ granted: ['room:token', 'room:list', 'user:7'] });
    expect([...new Set(followed)]).to.deep.equal(['user:7', 'room:token', 'room:list']);
    expect(membership.size).to.equal(2);
    const listed = { channels: RIGHTS.channels as never, version: 5 as Position };
    const wanted = membership.owedAtFirst(3 as Position, listed);
    expect(wanted.map(({ channel, after }) => [channel, after])).to.deep.equal([
      ['user:7', 3],
      ['room:token', 3],
      ['room:list', 3],
    ]);
  });

  it('keeps them if the list loses them, and leaves nothing behind', async () => {
    const seen = await open({ granted: ['room:token'] });
    const { membership } = seen;
    const change = { channel: 'room:token', was: undefined };
    const changes = [
      { ...change, kind: 'granted', place: at(10) },
      { ...change, kind: 'revoked', place: at(20) },
    ];
    membership.changed({ before: 5, now: 20, changes } as unknown as RightsChange);
    expect(membership.allows({ channel: 'room:token', place: at(30) } as never)).to.equal(true);
    expect(membership.allows({ channel: 'room:token', place: at(5) } as never)).to.equal(true);
    expect([...membership.followed].sort()).to.deep.equal(['room:list', 'room:token', 'user:7']);
    membership.leave();
    expect(seen.followed).to.deep.equal([]);
  });

  it('does not read the list where only the credential counts, and passes over its changes', async () => {
    const seen = await open({ granted: ['room:token'], hasList: false });
    const { membership } = seen;
    const changes = [{ channel: 'room:x', kind: 'granted', was: undefined, place: at(10) }];
    expect(membership.changed({ before: 0, now: 10, changes } as unknown as RightsChange)).to.equal(false);
    await membership.reread();
    expect(seen.lists).to.equal(0);
    expect([...membership.followed]).to.deep.equal(['user:7', 'room:token']);
  });
});
