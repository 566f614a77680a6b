import { setTimeout as pause } from 'node:timers/promises';
import { killConnections, listConnections } from '../fault/connections.ts';
import type { Random } from '../fault/random.ts';
import type { Fault } from './plan.ts';
import type { Stage } from './stage.ts';

const ACTS: Record<Fault, (stage: Stage, random: Random) => Promise<void>> = {
  'cut a connection': async (stage, random) => {
    const connections = await listConnections(stage);
    if (connections.length === 0) return;
    const { id, name } = random.pick(connections);
    stage.note(`cut one ${name}`);
    await stage.admin.call('CLIENT', 'KILL', 'ID', id).catch(() => undefined);
    await pause(random.between(0, 500));
  },
  'cut the hubs': async (stage, random) => {
    await killConnections(stage, 'sisyphus:hub');
    await pause(random.between(300, 1300));
  },
  'cut the recorders': async (stage, random) => {
    await killConnections(stage, 'sisyphus:recorder');
    await pause(random.between(500, 1500));
  },
  'cut the commands': async (stage, random) => {
    // Whatever neither hears messages nor records: there may be several of them.
    const others = (await listConnections(stage)).filter(({ name }) => !/:(hub|recorder)$/.test(name));
    stage.note(`cut ${others.map(({ name }) => name)}`);
    for (const { id } of others) await stage.admin.call('CLIENT', 'KILL', 'ID', id).catch(() => undefined);
    await pause(random.between(300, 1300));
  },
  'cut all that hear': async (stage, random) => {
    stage.note('cut everything that hears');
    await stage.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub').catch(() => undefined);
    await pause(random.between(700, 2200));
  },
  'kill a gateway': async (stage, random) => {
    await stage.replace(random.pick(stage.posts), 'SIGKILL', random.between(0, 600));
    await pause(random.between(1200, 2500));
  },
  'kill all gateways': async (stage, random) => {
    await Promise.all(stage.posts.map((post) => stage.replace(post, 'SIGKILL', random.between(0, 300))));
    await pause(random.between(2500, 4000));
  },
  'restart a gateway': async (stage, random) => {
    await stage.replace(random.pick(stage.posts), 'SIGTERM', random.between(0, 300));
    await pause(random.between(800, 1500));
  },
  'restart all gateways': async (stage, random) => {
    await Promise.all(stage.posts.map((post) => stage.replace(post, 'SIGTERM', random.between(0, 300))));
    await pause(random.between(2500, 4000));
  },
  'stop a gateway': async (stage, random) => {
    const { gateway, port } = random.pick(stage.posts);
    stage.note(`SIGSTOP to gateway ${port}`);
    gateway.kill('SIGSTOP');
    await pause(random.between(300, 3000));
    gateway.kill('SIGCONT');
    stage.note(`SIGCONT to gateway ${port}`);
    await pause(random.between(300, 1000));
  },
  'stop redis': async (stage, random) => {
    stage.note('Redis stands still');
    stage.redis.kill('SIGSTOP');
    await pause(random.between(100, 2500));
    stage.redis.kill('SIGCONT');
    stage.note('Redis goes on');
    await pause(random.between(300, 1500));
  },
};

/** Does one of these after the other, until it is told to end; resolves when the last one is over. */
export async function doFaults(
  stage: Stage,
  faults: readonly Fault[],
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  while (faults.length > 0 && !signal.aborted) {
    await pause(random.between(50, 400));
    await ACTS[random.pick(faults)](stage, random);
  }
}

/** Other programs' messages on the same Redis. */
export async function makeNoise(stage: Stage, perSecond: number, signal: AbortSignal): Promise<void> {
  while (perSecond > 0 && !signal.aborted) {
    void stage.admin.call('PUBLISH', 'celery', 'a task').catch(() => undefined);
    await pause(1000 / perSecond);
  }
}
