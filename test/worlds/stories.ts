import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../fault/random.ts';
import type { Application } from './application.ts';
import type { ChangeWay, Plan, Story } from './plan.ts';
import type { WorldReader } from './world-reader.ts';

/** Who acts in a world. */
export interface Cast {
  app: Application;
  random: Random;
  plan: Plan;
  readers: WorldReader[];
  /** Another reader, who connects at once. */
  enter(user: string): WorldReader;
}

/** Changes that are a command for Redis, so that what is sent with them stands right before and behind them. */
const INLINE: readonly ChangeWay[] = ['plain', 'plain, told by script', 'transaction', 'fcall', 'rewritten'];
const PLAIN: readonly ChangeWay[] = ['plain', 'transaction'];

const TELL: Record<Story, (cast: Cast) => Promise<void>> = {
  /** The list is read on one connection and messages are heard on another: the list may be ahead. */
  'connects at a grant': async ({ app, random, plan, readers, enter }) => {
    const user = random.pick(app.users);
    const room = pickRoom(app, random, user, false);
    if (room === undefined) return;
    const way = pickWay(random, plan, INLINE);
    const sent = app.send([
      ...inline(app, plan, random, room),
      ...app.change(user, room, true, way),
      ...inline(app, plan, random, room),
    ]);
    if (random.chance(0.5)) await sent;
    const mine = readers.filter((reader) => reader.user === user);
    if (mine.length > 0 && random.chance(0.6)) random.pick(mine).drop(random.integer(0, 3));
    else enter(user);
  },

  /** The list is as it was when the first change is recorded; somebody has read it in between. */
  'revoked and granted again': (cast) => thereAndBack(cast, true),
  'granted and revoked again': (cast) => thereAndBack(cast, false),

  /** Whoever reads the list finds the channel gone before the message that tells of it is recorded. */
  'read at a revocation': async ({ app, random, plan, enter }) => {
    const user = random.pick(app.users);
    const room = pickRoom(app, random, user, true);
    if (room === undefined) return;
    if (random.chance(0.5)) enter(user);
    await pause(random.between(0, 4));
    void app.send([...app.say(room, 'plain'), ...app.change(user, room, false, pickWay(random, plan, PLAIN))]);
    if (random.chance(0.5)) enter(user);
  },

  'untold and connects': async ({ app, random, enter }) => {
    const user = random.pick(app.users);
    const listed = random.chance(0.5);
    const room = pickRoom(app, random, user, listed);
    if (room === undefined) return;
    await app.send([...app.say(room, 'plain'), app.list(user, room, !listed)]);
    enter(user);
  },

  /** To whom it is a channel like any other. */
  'follows another user': async ({ app, random, plan }) => {
    const [user = '', other = ''] = random.sample(app.users, 2);
    const channel = `user:${other}`;
    const way = pickWay(random, plan, INLINE);
    void app.send([
      ...app.change(user, channel, true, way),
      ...app.say(channel, 'plain'),
      ...inline(app, plan, random, random.pick(app.rooms)),
    ]);
    await pause(random.between(0, 200));
    void app.send([...app.say(channel, 'plain'), ...inline(app, plan, random, random.pick(app.rooms))]);
  },

  /** More than is recorded in one go, so that something always waits to be recorded. */
  'a crowd on the own channel': async ({ app, random, plan }) => {
    const user = random.pick(app.users);
    const way = random.pick(plan.ways.includes('plain') ? (['plain'] as const) : plan.ways);
    for (let i = 0; i < 300; i++) {
      void app.send([
        ...app.say(`user:${user}`, way),
        ...(i % 10 === 0 ? inline(app, plan, random, random.pick(app.rooms)) : []),
      ]);
      await pause(3);
    }
  },
};

export function tell(story: Story, cast: Cast): Promise<void> {
  return TELL[story](cast);
}

async function thereAndBack({ app, random, plan, enter }: Cast, listed: boolean): Promise<void> {
  const user = random.pick(app.users);
  const room = pickRoom(app, random, user, listed);
  const other = pickRoom(app, random, user, false, room);
  if (room === undefined) return;
  void app.send([...app.change(user, room, !listed, pickWay(random, plan, PLAIN)), ...inline(app, plan, random, room)]);
  const look = random.pick(['a reader connects', 'another is granted', 'nobody'] as const);
  if (look === 'a reader connects') {
    enter(user);
    await pause(random.between(0, 6));
  }
  const grant = look === 'another is granted' && other !== undefined ? app.change(user, other, true, 'fcall') : [];
  void app.send([
    ...grant,
    ...inline(app, plan, random, room),
    ...app.change(user, room, listed, pickWay(random, plan, PLAIN)),
  ]);
}

function pickRoom(app: Application, random: Random, user: string, listed: boolean, not?: string): string | undefined {
  return random.sample(
    app.roomsOf(user, listed).filter((room) => room !== not),
    1,
  )[0];
}

function pickWay(random: Random, { changes }: Plan, wanted: readonly ChangeWay[]): ChangeWay {
  const both = changes.filter((way) => wanted.includes(way));
  return random.pick(both.length > 0 ? both : wanted);
}

/** A message that is a command for Redis, in whichever way. */
function inline(app: Application, { ways }: Plan, random: Random, channel: string): string[][] {
  const both = ways.filter((way) => way === 'plain' || way === 'fcall');
  return app.say(channel, random.pick(both.length > 0 ? both : (['fcall'] as const)));
}
