import { every, expectNoReset, scenario } from '../scenario.ts';

export const killedGateways = scenario({
  name: 'killed-gateways',
  sentence: 'loses and doubles nothing, and resets nothing, while a gateway is killed every 3 s',
  seconds: { short: 5, long: 60 },
  plan: ({ long }) => ({ balancer: true, ...(long && { readers: 200, users: 120, rooms: 40, rate: 200 }) }),
  async act(world, run, findings) {
    const kills = await every(world, run.long ? 3000 : 1200, run.seconds, () =>
      world.replace(world.random.pick(world.posts)),
    );
    findings.figures.kills = kills;
  },
  check: (world, _run, findings) => expectNoReset(world, findings),
});

export const rollingRestart = scenario({
  name: 'rolling-restart',
  sentence: 'loses and doubles nothing while every gateway is restarted in turn, and spreads the returns',
  seconds: { short: 6, long: 40 },
  plan: () => ({ balancer: true, env: { SISYPHUS_DRAIN: '3s' } }),
  async act(world, run, findings) {
    const end = performance.now() + run.seconds * 1000;
    let restarts = 0;
    do {
      for (const post of world.posts) {
        await world.replace(post, 'SIGTERM');
        restarts++;
      }
    } while (performance.now() < end);
    findings.figures.restarts = restarts;
  },
  check(world, _run, findings) {
    expectNoReset(world, findings);
    const seconds = new Map<number, number>();
    for (const { stream, requestedAt } of world.ledger.streams) {
      if (stream > 0)
        seconds.set(Math.floor(requestedAt / 1000), (seconds.get(Math.floor(requestedAt / 1000)) ?? 0) + 1);
    }
    const most = Math.max(0, ...seconds.values());
    const share = world.ledger.readers.length;
    findings.figures['returns in the worst second'] = most;
    // Up to half of the readers are on one gateway after the others were restarted, and 3 s are given to send them elsewhere.
    findings.expect(most <= share * 0.45, `${most} of ${share} readers came back in one second`);
  },
});
