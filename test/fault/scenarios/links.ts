import { eventually } from '../../support/wait.ts';
import { linksOf } from '../connections.ts';
import { every, expectNoReset, expectNothingSeen, pause, scenario } from '../scenario.ts';

export const halfOpen = scenario({
  name: 'half-open',
  sentence: 'notices a silent connection within 3 s, and heals within 2 s of its return',
  seconds: { short: 4, long: 60 },
  plan: () => ({ relays: true, env: { SISYPHUS_REDIS_GRACE: '10s' } }),
  async act(world, run, findings) {
    let worst = 0;
    let turn = 0;
    await every(world, 300, run.seconds, async () => {
      const { gateway, port, relay } = world.posts[turn++ % world.posts.length]!;
      if (!relay) return;
      world.note(`the link of gateway ${port} goes silent`);
      const silent = world.stopwatch();
      relay.silent = true;
      for (const link of relay.links) link.silence();
      await eventually(async () => (await gateway.status()).redis === 'down', 6000);
      worst = Math.max(worst, silent.elapsed);
      relay.silent = false;
      // What was opened meanwhile is as dead as what was open before.
      const back = world.stopwatch();
      world.note(`the link of gateway ${port} is back`);
      await eventually(async () => (await gateway.status()).redis === 'up', 6000);
      const took = back.elapsed;
      findings.expect(took < 2500, `gateway ${port} took ${took.toFixed(0)} ms to be back`);
    });
    findings.figures.times = turn;
    findings.figures['noticed after'] = `${worst.toFixed(0)} ms`;
    findings.expect(worst <= 3300, `it took ${worst.toFixed(0)} ms to notice`);
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

export const heldReplies = scenario({
  name: 'held-replies',
  sentence: 'loses and doubles nothing when answers of Redis come late or never, whatever they were answers to',
  seconds: { short: 5, long: 90 },
  plan: () => ({ relays: true, ways: { plain: 2, fcall: 1, http: 2 }, changes: 4, rate: 80 }),
  async act(world, run, findings) {
    let held = 0;
    let cut = 0;
    // One of three recorders hears everything, or what is published while nobody does would be lost.
    const spared = new Set(await linksOf(world, 'sisyphus:recorder', world.posts[0]!));
    findings.expect(spared.size === 1, `${spared.size} links are spared`);
    await every(world, run.long ? 40 : 60, run.seconds, async () => {
      const links = [...(world.random.pick(world.posts).relay?.links ?? [])];
      const living = links.filter((link) => !link.closed && !spared.has(link));
      if (living.length === 0) return;
      const link = world.random.pick(living);
      if (world.random.chance(0.6)) {
        held++;
        link.down.hold();
        setTimeout(() => link.down.pass(), world.random.between(20, 400));
      } else {
        cut++;
        world.note('an answer is cut off');
        link.down.cutAfter(world.random.integer(0, 200));
      }
    });
    await pause(500);
    findings.figures.held = held;
    findings.figures.cut = cut;
    findings.expect(
      [...spared].every((link) => !link.closed),
      'the link that was to be spared is closed',
    );
  },
  check: (world, _run, findings) => expectNoReset(world, findings),
});

export const quietReconnects = scenario({
  name: 'lost-answers',
  sentence: 'records once what was published over HTTP when the answer of Redis is lost after it was executed',
  seconds: { short: 5, long: 60 },
  plan: () => ({ relays: true, ways: { plain: 0, fcall: 0, http: 1 }, changes: 0, rate: 40 }),
  async act(world, run, findings) {
    findings.figures.lost = await every(world, 50, run.seconds, async () => {
      const links = [...(world.random.pick(world.posts).relay?.links ?? [])].filter((link) => !link.closed);
      // The command goes on to Redis; not one byte of the answer comes back.
      if (links.length > 0) world.random.pick(links).down.cutAfter(1);
    });
  },
});
