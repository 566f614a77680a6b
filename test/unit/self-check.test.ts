import { expect } from 'chai';
import type { ChannelSource, Mark } from '../../src/hub/channel-source.ts';
import { Frontier } from '../../src/hub/frontier.ts';
import { Link } from '../../src/hub/link.ts';
import { SelfCheck } from '../../src/hub/self-check.ts';
import { Subscriptions } from '../../src/hub/subscriptions.ts';
import { createLogger } from '../../src/logger.ts';
import { BEGINNING, justAfter, type Position } from '../../src/message/position.ts';
import { eventually } from '../support/wait.ts';

const HEARD = justAfter(BEGINNING);
const MISSED = justAfter(HEARD);

/** A hub that has heard one message in each of so many channels, and a store that answers what it is asked. */
function checked(count: number) {
  const names = Array.from({ length: count }, (_, i) => `room:${i}`);
  const subscriptions = new Subscriptions(() => ({ length: 100, ttl: 60_000 }), Date.now);
  for (const name of names) subscriptions.create(name);
  for (const subscription of subscriptions.values()) subscription.begin(HEARD);
  const heads = new Map<string, Position>(names.map((name) => [name, HEARD]));
  /** How many heads each mark asked for. */
  const asked: number[] = [];
  const healed: (string[] | undefined)[] = [];
  const link = new Link(Date.now);
  link.connected();
  link.healed();
  const heal = async (channels: string[] | undefined): Promise<void> => {
    healed.push(channels);
    for (const channel of channels ?? names) subscriptions.get(channel)!.head = heads.get(channel);
  };
  const state = { position: HEARD };
  const source = {
    async mark(channels: string[]): Promise<Mark> {
      asked.push(channels.length);
      return { ...state, born: BEGINNING, gaps: [], heads: channels.map((channel) => heads.get(channel)!) };
    },
  } as unknown as ChannelSource;
  const logger = createLogger('silent');
  const frontier = new Frontier();
  const check = new SelfCheck({
    link,
    frontier,
    subscriptions,
    source,
    logger,
    heal,
    sweep: () => undefined,
    period: 70,
  });
  return { check, heads, asked, healed, state };
}

describe('the self-check', () => {
  it('finds what was missed in any channel within some seconds, a part of them at a time', async () => {
    const { check, heads, asked, healed, state } = checked(1000);
    heads.set('room:999', MISSED);
    state.position = MISSED;
    check.start();
    await eventually(() => healed.length > 0, 6000);
    check.stop();
    expect(healed[0]).to.include('room:999');
    expect(Math.max(...asked), 'asked for at once').to.be.at.most(250);
    expect(asked.length, 'marks for one round').to.be.at.most(6);
  });

  it('asks for no heads again while no id is given out, and for all again when one is', async () => {
    const { check, heads, asked, healed, state } = checked(100);
    check.start();
    await eventually(() => asked.filter((count) => count === 0).length === 2, 6000);
    expect(asked.filter((count) => count > 0)).to.deep.equal([100]);
    heads.set('room:7', MISSED);
    state.position = MISSED;
    await eventually(() => healed.length > 0, 6000);
    check.stop();
    expect(healed[0]).to.include('room:7');
  });
});
