import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../../support/wait.ts';
import { now } from '../clock.ts';
import type { Publication } from '../ledger.ts';
import { type Definition, framesOf, pause, type Scenario, scenario, Unheard, untilQuiet } from '../scenario.ts';
import { Pair } from '../support/replication.ts';
import type { World } from '../world.ts';

/**
 * Of plain messages it is told that some were lost, to everybody, which would hide whether the fork is; and what was published
 * over HTTP and not answered is published once more where its key is lost too.
 */
const SCRIPTS = { ways: { plain: 0, fcall: 1, http: 0 }, changes: 0 };

/** Messages to each channel that is lost in the fork. */
const LOST_EACH = 3;

let pair: Pair | undefined;
let unheard = new Unheard();

interface Loss {
  /** From here on what is written is lost. */
  begin(world: World): Promise<void>;
  /** Redis is back, without it. */
  finish(world: World): Promise<void>;
  /** Ready to lose something again. */
  recover?(): Promise<void>;
}

/**
 * Redis loses the last writes while some readers are away: those come back, to the gateway that they left or to another,
 * and are told the same as those that stayed. Of some channels no follower is there at that moment.
 */
function awayOver(
  name: string,
  sentence: string,
  loss: Loss,
  around: Pick<Definition, 'plan' | 'redis' | 'end'>,
): Scenario {
  return scenario({
    ...around,
    name,
    sentence,
    seconds: { short: 2, long: 12 },
    async act(world, run, findings) {
      unheard = new Unheard();
      let turn = 0;
      // Counted, not timed: each takes some seconds.
      for (; turn < run.seconds; turn++) {
        await pause(500);
        await unheard.turn(world);
        world.ledger.licences.push({ reason: 'forked', from: now() }, { reason: 'unrecorded', from: now() });
        const gone = world.random.sample(world.load.users, Math.floor(world.load.users.length / 3));
        const names = world.ledger.readers.filter(({ user }) => gone.includes(user)).map((reader) => reader.name);
        await loss.begin(world);
        await pause(200);
        world.note(`${names.length} readers go away`);
        world.load.leave(names);
        await pause(100);
        unheard.add(
          await publishTo(
            world,
            gone.map((user) => `user:${user}`),
          ),
        );
        // What is acknowledged in the last moment is heard by nobody, and so nobody could tell that it is lost.
        world.load.setRate(0);
        await untilQuiet(world);
        await loss.finish(world);
        await eventually(() => world.leader(), 10_000, 50);
        world.load.setRate(world.plan.rate);
        await pause(800);
        const half = Math.ceil(names.length / 2);
        world.note('they come back');
        world.load.comeBack(names.slice(0, half), 'the same');
        world.load.comeBack(names.slice(half), 'another');
        await pause(1500);
        await loss.recover?.();
      }
      findings.figures.turns = turn;
      findings.figures.forked = framesOf(world, 'reset').filter(({ reason }) => reason === 'forked').length;
    },
    check: (world, _run, findings) => unheard.expectTold(world, findings),
  });
}

/** By script, and acknowledged: each is recorded, and heard by whoever follows the channel. */
async function publishTo(world: World, channels: string[]): Promise<Publication[]> {
  const done: Promise<Publication>[] = [];
  for (const channel of channels) {
    for (let i = 0; i < LOST_EACH; i++) done.push(world.load.publish('fcall', channel, `lost ${i} at ${now()}`));
  }
  return (await Promise.all(done)).filter(({ outcome }) => outcome === 'acknowledged');
}

export const lossyFailoverAway = awayOver(
  'lossy-failover-away',
  'tells those who were away of a failover that lost the last writes, whichever gateway they come back to',
  {
    async begin(world) {
      world.note('the replica hears nothing more');
      await pair?.cutOff();
    },
    async finish(world) {
      const next = pair!.replica;
      await pair!.promote();
      world.moveTo(next);
    },
    recover: async () => pair?.rejoin(),
  },
  {
    plan: () => ({ relays: true, ...SCRIPTS }),
    async redis() {
      pair = await Pair.start();
      return pair.master;
    },
    async end() {
      await pair?.replica.stop();
    },
  },
);

let folder = '';

export const powerLossAway = awayOver(
  'power-loss-away',
  'tells those who were away, like those who stayed, of what a Redis lost that writes to its disk each second',
  {
    async begin(world) {
      const [, path = ''] = (await world.admin.call('CONFIG', 'GET', 'dir')) as string[];
      folder = path;
      world.note('what is written from now on never gets to the disk');
      await cp(join(folder, 'appendonlydir'), join(folder, 'on-disk'), { recursive: true });
    },
    async finish(world) {
      world.note('the power fails');
      world.redis.kill('SIGKILL');
      await pause(50);
      await rm(join(folder, 'appendonlydir'), { recursive: true });
      await cp(join(folder, 'on-disk'), join(folder, 'appendonlydir'), { recursive: true });
      await rm(join(folder, 'on-disk'), { recursive: true });
      await world.redis.restart();
      world.note('Redis is back');
    },
  },
  { plan: () => ({ redisArgs: ['--appendonly', 'yes', '--appendfsync', 'everysec'], ...SCRIPTS }) },
);
