import type { RedisServer } from '../../support/redis.ts';
import { eventually } from '../../support/wait.ts';
import { now } from '../clock.ts';
import { expectNothingSeen, framesOf, pause, type Scenario, scenario, untilQuiet } from '../scenario.ts';
import { Pair } from '../support/replication.ts';
import { Sentinels } from '../support/sentinels.ts';
import type { World } from '../world.ts';

/** Started by `redis`, used by `act`: one scenario runs at a time. */
let pair: Pair;
let sentinels: Sentinels;

export const cleanFailovers = scenario({
  name: 'clean-failovers',
  sentence:
    'shows nothing of it when a replica that has everything takes over, and announces what was published before anybody heard the new master',
  seconds: { short: 2, long: 20 },
  plan: () => ({ relays: true }),
  async redis() {
    pair = await Pair.start();
    return pair.master;
  },
  async act(world, run, findings) {
    const { rate } = world.plan;
    let worst = 0;
    // Counted, not timed: each takes some seconds.
    for (let i = 0; i < run.seconds; i++) {
      await pause(700);
      const from = now();
      // Every other time the application waits for the new master, as one does that pauses its writes.
      const waits = i % 2 === 0;
      if (waits) world.load.setRate(0);
      else world.ledger.licences.push({ reason: 'unrecorded', from });
      if (waits) await untilQuiet(world);
      // Until it is killed, however long that takes: what it took after the comparison would be lost.
      await world.call('CLIENT', 'PAUSE', '60000', 'WRITE');
      await pair.level();
      await pair.promote();
      world.moveTo(pair.master);
      const at = now();
      await world.hasRecorder();
      worst = Math.max(worst, now() - at);
      world.load.setRate(rate);
      await pair.rejoin();
      await pause(1000);
      const resets = framesOf(world, 'reset', from).map(({ reason }) => reason);
      const about = `${resets.length} resets (${[...new Set(resets)].join(', ')})`;
      if (waits) findings.expect(resets.length === 0, `${about} where nothing was published meanwhile`);
    }
    findings.figures['recorder back after'] = `${worst.toFixed(0)} ms`;
    findings.figures.failovers = run.seconds;
  },
  async end() {
    await pair.replica.stop();
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    const forks = framesOf(world, 'reset').filter(({ reason }) => reason !== 'unrecorded').length;
    findings.expect(forks === 0, `${forks} resets for something else than what nobody heard`);
  },
});

export const lossyFailover = scenario({
  name: 'lossy-failover',
  sentence: 'lets ids rise, and announces the fork, when a replica takes over that lacks the last writes',
  seconds: { short: 2, long: 12 },
  plan: () => ({ relays: true, changes: 0 }),
  async redis() {
    pair = await Pair.start();
    return pair.master;
  },
  async act(world, run, findings) {
    let forked = 0;
    for (let i = 0; i < run.seconds; i++) {
      await pause(700);
      const from = now();
      world.note('the replica hears nothing more');
      const { replica } = pair;
      await pair.cutOff();
      const cutAt = now();
      await pause(world.random.between(200, 500));
      // On a busy machine nothing may have been published since.
      await eventually(() => framesOf(world, 'message', cutAt + 50).length > 0);
      world.ledger.licences.push({ reason: 'forked', from }, { reason: 'unrecorded', from });
      await pair.promote();
      world.moveTo(replica);
      await eventually(() => world.leader(), 8000, 50);
      await pause(1200);
      forked += framesOf(world, 'reset', from).filter(({ reason }) => reason === 'forked').length;
      await pair.rejoin();
    }
    findings.figures.forked = forked;
    findings.expect(forked > 0, 'no fork was announced');
  },
  async end() {
    await pair.replica.stop();
  },
});

/** Readers, gateways and publishers on a master that Sentinel replaces, again and again. */
function withSentinels(
  name: string,
  sentence: string,
  seconds: { short: number; long: number },
  /** Makes Sentinel choose the replica; resolves when the old master may begin anew as a replica. */
  replace: (world: World, master: RedisServer) => Promise<() => Promise<void>>,
): Scenario {
  return scenario({
    name,
    sentence,
    seconds,
    // The grace is longer than a failover takes, so that it can be told from the time that it takes.
    plan: () => ({ redisUrl: sentinels.url, changes: 0, env: { SISYPHUS_REDIS_GRACE: '15s' } }),
    async redis() {
      pair = await Pair.start();
      sentinels = await Sentinels.start(pair.master.port);
      return pair.master;
    },
    async act(world, run, findings) {
      let worst = 0;
      for (let i = 0; i < run.seconds; i++) {
        await pause(500);
        const from = now();
        // Replication is not waited for by anybody: the last writes may be missing on the replica.
        world.ledger.licences.push({ reason: 'unrecorded', from }, { reason: 'forked', from });
        const { replica, master } = pair;
        const rejoin = await replace(world, master);
        await eventually(async () => (await sentinels.masterPort()) === replica.port, 20_000, 50);
        const promoted = world.stopwatch();
        [pair.master, pair.replica] = [replica, master];
        world.moveTo(replica);
        await eventually(async () => (await world.posts[0]!.gateway.status()).redis === 'up', 10_000, 50);
        await world.hasRecorder();
        worst = Math.max(worst, promoted.elapsed);
        await rejoin();
      }
      findings.figures['back after'] = `${worst.toFixed(0)} ms`;
      findings.expect(worst <= 5000, `it took ${worst.toFixed(0)} ms to be back`);
    },
    async end() {
      await sentinels.stop();
      await pair.replica.stop();
    },
  });
}

export const sentinelFailover = withSentinels(
  'sentinel',
  'is back within 5 s of a failover by Sentinel, and complete',
  { short: 1, long: 5 },
  async (world, master) => {
    world.note('the master is killed');
    master.kill('SIGKILL');
    return () => pair.rejoin();
  },
);

export const sentinelSwitchover = withSentinels(
  'sentinel-switchover',
  'is back within 5 s, and complete, where Sentinel is told to replace a master that lives on as a replica',
  { short: 1, long: 5 },
  async (world) => {
    world.note('Sentinel is told to fail over');
    await sentinels.failOver();
    return () => pair.linked();
  },
);
