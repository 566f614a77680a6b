import { connect } from 'node:net';
import { now } from '../clock.ts';
import type { Publication } from '../ledger.ts';
import { every, expectNothingSeen, pause, type Scenario, scenario, Unheard } from '../scenario.ts';
import type { World } from '../world.ts';

/** Of the scenario that runs: one does at a time. */
let unheard = new Unheard();

export const keyspaceEvents = scenario({
  name: 'keyspace-events',
  sentence: 'announces what nobody heard also where Redis tells of changed keys on channels that look like plain ones',
  seconds: { short: 5, long: 40 },
  // What others publish would make the counts differ, and hide the mistake.
  plan: () => ({ redisArgs: ['--notify-keyspace-events', 'K$'], rate: 0, changes: 0 }),
  async act(world, run, findings) {
    unheard = new Unheard();
    // What is lost is told within 3 s: whether it was is seen before the next time.
    findings.figures.cuts = await every(world, 2400, run.seconds, async () => {
      await unheard.turn(world);
      world.ledger.licences.push({ reason: 'unrecorded', from: now() });
      const count = world.random.integer(1, 4);
      const done: Promise<unknown>[] = [];
      world.admin.together(() => {
        for (let i = 0; i < count; i++) done.push(world.call('SET', `application:${i}`, 'x'));
        done.push(world.load.publish('plain', world.random.pick(world.load.rooms), `heard at ${now()}`));
      });
      await Promise.all(done);
      await pause(30);
      const lost: Promise<Publication>[] = [];
      // As many as there were notifications. In one packet with the cut: Redis counts who would hear these, and then nobody does.
      world.admin.together(() => {
        for (let i = 0; i < count; i++) {
          lost.push(
            world.load.publish('plain', world.random.pick(world.load.rooms), `just before cut ${i} at ${now()}`),
          );
        }
        done.push(world.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
      });
      await Promise.all(done);
      unheard.add(await Promise.all(lost));
    });
    await pause(2400);
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    unheard.expectTold(world, findings);
  },
});

/** The only gateway ends and another takes its place, and meanwhile the application goes on. */
function onlyGateway(name: string, sentence: string, signal: NodeJS.Signals): Scenario {
  return scenario({
    name,
    sentence,
    seconds: { short: 3, long: 30 },
    plan: () => ({ gateways: 1, changes: 0, env: { SISYPHUS_DRAIN: '300ms' } }),
    async act(world, run, findings) {
      unheard = new Unheard();
      findings.figures.restarts = await every(world, 800, run.seconds, async () => {
        await unheard.turn(world);
        world.ledger.licences.push({ reason: 'unrecorded', from: now() });
        const [post] = world.posts;
        const ended = post!.gateway.exited;
        const back = world.replace(post!, signal);
        await ended;
        for (const room of world.random.sample(world.load.rooms, 3)) {
          const publication = await world.load.publish('plain', room, `to nobody at ${now()}`);
          if (publication.receivers === 0) unheard.add([publication]);
        }
        await back;
        await world.hasRecorder();
      });
    },
    check: (world, _run, findings) => unheard.expectTold(world, findings),
  });
}

export const gracefulRestart = onlyGateway(
  'graceful-restart-of-the-only-gateway',
  'announces what was published while the only gateway was being restarted, also where it was asked to end',
  'SIGTERM',
);

export const quickRestart = scenario({
  name: 'redis-restarted-quickly',
  sentence: 'announces what a Redis that is back at once was told before any gateway had come back',
  seconds: { short: 6, long: 60 },
  plan: () => ({ redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'], changes: 0, rate: 0 }),
  async act(world, run, findings) {
    unheard = new Unheard();
    findings.figures.restarts = await every(world, 900, run.seconds, async () => {
      await unheard.turn(world);
      world.ledger.licences.push({ reason: 'unrecorded', from: now() });
      // Redis tells its age in whole seconds: here one begins between its start and the first question of a gateway.
      await pause(2000 - (Date.now() % 1000) - 400);
      await world.load.publish('plain', world.random.pick(world.load.rooms), `heard at ${now()}`);
      await pause(1000 - (Date.now() % 1000) - world.random.between(20, 100));
      world.note('Redis is killed');
      world.redis.kill('SIGKILL');
      const isBack = world.redis.restart();
      unheard.add(await publishFirst(world, world.random.pick(world.load.rooms)));
      await isBack;
      world.note('Redis is back');
      await world.hasRecorder();
    });
  },
  check: (world, _run, findings) => unheard.expectTold(world, findings),
});

/** Asks each millisecond, and publishes as soon as somebody answers. Answers what nobody heard. */
function publishFirst(world: World, channel: string): Promise<Publication[]> {
  const { ledger, redis } = world;
  const end = now() + 5000;
  const published: Publication[] = [];
  return new Promise((resolve) => {
    const attempt = (): void => {
      if (now() > end) {
        resolve(published);
        return;
      }
      let text = '';
      let sentAt = 0;
      const socket = connect({ port: redis.port, host: '127.0.0.1', noDelay: true });
      const say = (): void => {
        text = `first at ${now()}`;
        sentAt = now();
        socket.write(`*3\r\n$7\r\nPUBLISH\r\n$${channel.length}\r\n${channel}\r\n$${text.length}\r\n${text}\r\n`);
      };
      socket.on('connect', say);
      socket.on('error', () => setTimeout(attempt, 1));
      socket.on('data', (bytes) => {
        const [kind, answer] = [bytes.toString()[0], bytes.toString().slice(1)];
        // It loads what it has kept, and takes no command yet.
        if (kind === '-') setTimeout(say, 1);
        else if (Number.parseInt(answer, 10) > 0 || published.length === 2) {
          socket.destroy();
          resolve(published);
        } else {
          const about = {
            publisher: 'first',
            connection: undefined,
            sequence: ledger.publications.length,
            way: 'plain',
          } as const;
          const publication = {
            ...about,
            channel,
            text,
            sentAt,
            settledAt: now(),
            outcome: 'acknowledged',
            receivers: 0,
          } as const;
          ledger.publications.push(publication);
          published.push(publication);
          say();
        }
      });
    };
    attempt();
  });
}
