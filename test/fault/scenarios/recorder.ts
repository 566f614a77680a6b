import { killConnections } from '../connections.ts';
import { every, expectNoReset, expectNothingSeen, pause, scenario } from '../scenario.ts';
import type { World } from '../world.ts';

/** Longer than the lease. */
const STALL_MS = 4000;

export const stoppedRecorder = scenario({
  name: 'stopped-recorder',
  sentence: 'fences off a recorder that was stopped for longer than its lease and wakes up believing in it',
  seconds: { short: 6, long: 60 },
  plan: () => ({ ways: { plain: 6, fcall: 1, http: 0 }, rate: 200 }),
  async act(world, run, findings) {
    findings.figures.stops = await every(world, 1000, run.seconds, async () => {
      const post = await world.hasRecorder();
      world.note(`SIGSTOP to the recorder ${post.port}`);
      post.gateway.kill('SIGSTOP');
      await pause(run.long ? world.random.between(500, STALL_MS) : STALL_MS / 2);
      world.note(`SIGCONT to ${post.port}`);
      post.gateway.kill('SIGCONT');
    });
  },
  check: (world, _run, findings) => expectNoReset(world, findings),
});

export const cutRecorder = scenario({
  name: 'cut-recorder',
  sentence: 'records everything once when the recorder’s own connection is cut, then a standby’s',
  seconds: { short: 6, long: 60 },
  plan: () => ({ ways: { plain: 6, fcall: 1, http: 0 }, rate: 200 }),
  async act(world, run, findings) {
    let turn = 0;
    findings.figures.cuts = await every(world, 1200, run.seconds, async () => {
      const leader = await world.hasRecorder();
      const standby = world.random.pick(world.posts.filter((post) => post !== leader));
      await killConnections(world, 'sisyphus:recorder', turn++ % 2 === 0 ? leader : standby);
    });
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    expectNoReset(world, findings);
  },
});

export const recordersInTurn = scenario({
  name: 'recorders-in-turn',
  sentence: 'records every plain message once and in order while recorders are killed, stopped and cut in turn',
  seconds: { short: 8, long: 60 },
  plan: ({ long }) => ({
    readers: 9,
    users: 6,
    rooms: 20,
    roomsPerUser: 4,
    changes: 2,
    rate: long ? 2000 : 800,
    ways: { plain: 1, fcall: 0, http: 0 },
  }),
  async act(world, run, findings) {
    let turn = 0;
    const takeovers: number[] = [];
    await every(world, 2000, run.seconds, async () => {
      const leader = await world.hasRecorder();
      const hit = world.stopwatch();
      const fault = turn++ % 3;
      if (fault === 0) void world.replace(leader);
      else if (fault === 1) {
        world.note(`SIGSTOP to the recorder ${leader.port}`);
        leader.gateway.kill('SIGSTOP');
        setTimeout(() => leader.gateway.kill('SIGCONT'), 2500);
      } else await killConnections(world, 'sisyphus:recorder', leader);
      while ((await otherLeader(world, leader)) === undefined && hit.elapsed < 8000) await pause(20);
      takeovers.push(hit.elapsed);
    });
    takeovers.sort((a, b) => a - b);
    const worst = takeovers.at(-1) ?? 0;
    findings.figures.takeovers = takeovers.map((took) => took.toFixed(0)).join(' ');
    findings.expect(worst <= 1600, `the slowest takeover took ${worst.toFixed(0)} ms`);
    await pause(1500);
  },
  check: (world, _run, findings) => expectNoReset(world, findings),
});

/** Whoever else records; after a cut it may be the same one again. */
async function otherLeader(world: World, former: unknown): Promise<unknown> {
  for (const post of world.posts) {
    if (post !== former && (await world.roleOf(post)) === 'leader') return post;
  }
  return undefined;
}
