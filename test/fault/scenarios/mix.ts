import { now } from '../clock.ts';
import { killConnections } from '../connections.ts';
import { every, pause, scenario } from '../scenario.ts';
import type { Post, World } from '../world.ts';

/** What may happen at any time, also while something else goes on. */
const FAULTS: ((world: World, post: Post) => Promise<void>)[] = [
  (world, post) => world.replace(post),
  (world, post) => killConnections(world, 'sisyphus:hub', post),
  (world, post) => killConnections(world, 'sisyphus:recorder', post),
  (world, post) => killConnections(world, 'sisyphus:commands', post),
  async (world, post) => {
    world.note(`SIGSTOP to gateway ${post.port}`);
    post.gateway.kill('SIGSTOP');
    await pause(world.random.between(300, 2500));
    world.note(`SIGCONT to gateway ${post.port}`);
    post.gateway.kill('SIGCONT');
  },
  async (world) => {
    world.note('Redis stands still');
    world.redis.kill('SIGSTOP');
    await pause(world.random.between(100, 2500));
    world.redis.kill('SIGCONT');
    world.note('Redis goes on');
  },
  async (world) => {
    await world.call('FUNCTION', 'FLUSH');
  },
  async (world, post) => {
    world.note(`answers to gateway ${post.port} are held back`);
    const links = [...(post.relay?.links ?? [])];
    for (const link of links) link.down.hold();
    await pause(world.random.between(50, 1500));
    for (const link of links) link.down.pass();
  },
  async (world, post) => {
    world.note(`a link of gateway ${post.port} is cut in an answer`);
    const links = [...(post.relay?.links ?? [])].filter((link) => !link.closed);
    if (links.length > 0) world.random.pick(links).down.cutAfter(world.random.integer(0, 300));
  },
];

export const mixture = scenario({
  name: 'mixture',
  sentence: 'loses and doubles nothing, or announces it, whatever happens, and while something else still happens',
  seconds: { short: 6, long: 120 },
  plan: () => ({ relays: true, silenceLimit: 4500, env: { SISYPHUS_REDIS_GRACE: '20s' } }),
  async act(world, run, findings) {
    const going = new Set<Promise<void>>();
    const busy = new Set<Post>();
    findings.figures.faults = await every(world, 500, run.seconds, async () => {
      const idle = world.posts.filter((post) => !busy.has(post));
      // Nobody hears anything where all gateways fail at once; that has a scenario of its own.
      if (idle.length < 2) return;
      const post = world.random.pick(idle);
      busy.add(post);
      // Where plain messages of a user have waited to be recorded, a grant counts from the first of them.
      world.ledger.licences.push({ reason: 'unrecorded', from: now() }, { reason: 'overtaken', from: now() });
      const fault = world.random
        .pick(FAULTS)(world, post)
        .finally(() => {
          going.delete(fault);
          busy.delete(post);
        });
      going.add(fault);
    });
    await Promise.all(going);
    await pause(500);
  },
});
