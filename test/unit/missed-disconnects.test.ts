import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.ts';
import type { Disconnect } from '../../src/message/disconnect.ts';
import type { Position } from '../../src/message/position.ts';
import { Keys } from '../../src/store/redis/keys.ts';
import { MissedDisconnects } from '../../src/store/redis/missed-disconnects.ts';

const MARK = { disconnected: 5 as Position, position: 9 as Position, born: 1 as Position, now: 9 as Position };

describe('the disconnects that a gateway has missed', () => {
  let reads: number;
  let answer: (number: number) => Promise<unknown[]>;
  let told: Disconnect[];
  let missed: MissedDisconnects;
  /** The users whose streams are held. */
  let held: string[];

  beforeEach(() => {
    [reads, told, held] = [0, [], []];
    answer = async () => ['9', '0'];
    const redis = { callBuffer: () => answer(++reads) } as unknown as Redis;
    const logger = createLogger('silent');
    const suspect = (user: string): (() => void) => {
      held.push(user);
      return () => {
        held = held.filter((other) => other !== user);
      };
    };
    const tell = (one: Disconnect): unknown => told.push(one);
    missed = new MissedDisconnects({ redis, keys: new Keys(undefined, 0), logger, tell, suspect });
  });

  it('are read once for a mark, and not again for the same one', async () => {
    await missed.learn(MARK);
    await missed.learn(MARK);
    expect(reads).to.equal(1);
    missed.hear(Buffer.from('5'));
    expect(reads).to.equal(1);
  });

  it('are read by one call at a time, however many messages come', async () => {
    let open = 0;
    answer = async () => {
      expect(++open).to.equal(1);
      await turn();
      open--;
      return ['9', '0'];
    };
    for (let i = 0; i < 100; i++) missed.hear(Buffer.from(`1${i}`));
    for (let i = 0; i < 10; i++) await turn();
    expect(reads).to.equal(2);
  });

  it('hold the streams of the users whom messages name, until a reading that began after the last message', async () => {
    const answers: (() => void)[] = [];
    answer = () => new Promise((resolve) => answers.push(() => resolve(['9', '0'])));
    missed.hear(Buffer.from('7 a'));
    missed.hear(Buffer.from('8 a'));
    missed.hear(Buffer.from('8 *'));
    for (const expected of [['a'], []]) {
      answers.shift()!();
      await turn();
      expect(held).to.deep.equal(expected);
    }
    expect(reads).to.equal(2);
  });

  it('hold them until the next connection if the connection is lost', async () => {
    await missed.learn(MARK);
    answer = async () => {
      throw new Error('Connection is closed.');
    };
    missed.hear(Buffer.from('7 a'));
    await turn();
    expect(held).to.deep.equal(['a']);
    await missed.learn(MARK);
    expect(held).to.deep.equal([]);
  });

  it('do not hold up a mark while somebody floods the topic', async () => {
    answer = async (number) => {
      if (number < 1000) missed.hear(Buffer.from('7'));
      await turn();
      return ['9', '0'];
    };
    await missed.learn(MARK);
    expect(reads).to.be.below(10);
  });

  it('are told without what is no disconnect, and not before they were made', async () => {
    const entries = [
      'user 7',
      '8',
      'user :',
      '8',
      'credential hash a|b',
      '8',
      'credential hash',
      '8',
      'user 7 x',
      '8',
      'user 6 3',
      '8',
    ];
    answer = async () => ['9', '0', ...entries];
    const before = performance.now();
    await missed.learn(MARK);
    expect(told.map(({ user, credential }) => [user, credential])).to.deep.equal([
      ['7', undefined],
      ['a|b', 'hash'],
      ['6', undefined],
    ]);
    expect(told[0]!.at - told[2]!.at).to.be.closeTo(0.005, 0.001);
    expect(told[0]!.at).to.be.within(before - 0.01, performance.now());
  });

  it('are told from now on if the clock of the store has gone back', async () => {
    answer = async () => ['9', '0', 'user 7', '9000000'];
    const before = performance.now();
    await missed.learn({ ...MARK, disconnected: 9_000_000 as Position });
    expect(told[0]!.at).to.be.at.least(before);
  });
});
