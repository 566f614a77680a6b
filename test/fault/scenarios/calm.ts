import { expectNothingSeen, pause, scenario } from '../scenario.ts';

/** What the others are compared with: a mistake of the suite itself would show here. */
export const calm = scenario({
  name: 'calm',
  sentence: 'delivers everything once and in order, by the rights of the moment, while nothing fails',
  seconds: { short: 4, long: 30 },
  plan: () => ({ rate: 200, changes: 30 }),
  async act(world, run) {
    // Nothing has to be found by reading the list.
    world.ledger.crossing = 0;
    await pause(run.seconds * 1000);
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});
