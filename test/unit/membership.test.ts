import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import type { Backlog } from '../../src/backlog/backlog.ts';
import type { Hub } from '../../src/hub/hub.ts';
import type { Reader } from '../../src/hub/subscription.ts';
import { createLogger } from '../../src/logger.ts';
import { BEGINNING } from '../../src/message/position.ts';
import { Gate } from '../../src/session/gate.ts';
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
        throw new Error('no answer');
      },
      leave: (_reader: Reader, channels: Iterable<string>) => {
        for (const channel of channels) followed.delete(channel);
      },
    } as unknown as Hub;
    const rights = { version: 1, channels: new Map([['room:a', BEGINNING]]), changes: [], unsettled: false };
    const backlog = { rights: async () => [rights] } as unknown as Backlog;
    const options = { user: '7', hub, backlog, recordsPlain: () => false, logger: createLogger('silent') };
    const membership = new Membership({} as Reader, options);
    await membership.reread();
    expect(membership.isGaining).to.equal(true);
    const reading = membership.gain(new Gate(1000), BEGINNING, () => 0).catch(() => undefined);
    await eventually(() => failed === 1, 1000, 1);
    membership.leave();
    await reading;
    expect([...followed]).to.deep.equal([]);
  });
});
