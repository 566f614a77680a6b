import { eventually } from '../../support/wait.ts';
import { now } from '../clock.ts';
import { killConnections } from '../connections.ts';
import { every, expectNoReset, expectNothingSeen, framesOf, pause, scenario } from '../scenario.ts';

export const killedConnections = scenario({
  name: 'killed-connections',
  sentence: 'shows nothing of it when Redis cuts connections of every kind, one kind at a time',
  seconds: { short: 5, long: 60 },
  async act(world, run, findings) {
    let turn = 0;
    findings.figures.cuts = await every(world, run.long ? 2000 : 700, run.seconds, async () => {
      turn++;
      // Never every subscriber at once: that is another scenario.
      if (turn % 3 === 0) await world.call('CLIENT', 'KILL', 'TYPE', 'normal');
      else if (turn % 3 === 1) await killConnections(world, 'sisyphus:hub');
      else await killConnections(world, 'sisyphus:recorder', await world.hasRecorder());
    });
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    expectNoReset(world, findings);
  },
});

export const killedSubscribers = scenario({
  name: 'killed-subscribers',
  sentence:
    'announces what could not be proven recorded, within 3 s, when all subscriber connections are cut in one moment',
  seconds: { short: 5, long: 60 },
  async act(world, run, findings) {
    findings.figures.cuts = await every(world, run.long ? 4000 : 2500, run.seconds, async () => {
      world.ledger.licences.push({ reason: 'unrecorded', from: now() });
      // In one packet with the cut: Redis counts who would hear these, and then nobody does.
      const done: Promise<unknown>[] = [];
      world.admin.together(() => {
        for (const room of world.random.sample(world.load.rooms, 3)) {
          done.push(world.load.publish('plain', room, `just before cut at ${now()}`));
        }
        done.push(world.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
      });
      await Promise.all(done);
    });
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    const late = framesOf(world, 'reset').filter(
      ({ at }) => !world.ledger.licences.some(({ from }) => at >= from && at - from < 3000),
    );
    findings.expect(late.length === 0, `${late.length} resets came later than 3 s after the cut`);
  },
});

export const cutScriptSubscribers = scenario({
  name: 'killed-subscribers-scripts-only',
  sentence:
    'loses, doubles and resets nothing of what is published by FCALL and HTTP when all subscriber connections are cut',
  seconds: { short: 4, long: 60 },
  // The announcements of the application's own changes are plain; without them everything is a script.
  plan: () => ({ ways: { plain: 0, fcall: 3, http: 1 }, changes: 0 }),
  async act(world, run, findings) {
    findings.figures.cuts = await every(world, run.long ? 2000 : 600, run.seconds, async () => {
      await world.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    });
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    expectNoReset(world, findings);
  },
});

export const lastMessageMissed = scenario({
  name: 'last-message-missed',
  sentence: 'delivers, within 2 s, the one message that was published while the subscriber connection was dead',
  seconds: { short: 5, long: 120 },
  plan: () => ({ rate: 0, changes: 0, roomsPerUser: 6 }),
  async act(world, run, findings) {
    const end = performance.now() + run.seconds * 1000;
    const trials = run.long ? 200 : 12;
    let worst = 0;
    let trial = 0;
    for (; trial < trials && (run.long || performance.now() < end); trial++) {
      const sentAt = now();
      const sent = world.stopwatch();
      const channel = world.random.pick(world.load.rooms);
      const way = trial % 2 === 0 ? 'fcall' : 'plain';
      // The kill and the message in one packet: nothing can have subscribed again between the two.
      const done = [killConnections(world, 'sisyphus:hub')];
      await done[0];
      done.push(world.load.publish(way, channel, `trial ${trial}`).then(() => undefined));
      await Promise.all(done);
      const due = world.ledger.readers.filter(({ user }) => world.ledger.rights.get(user)?.includes(channel)).length;
      const got = (): number =>
        framesOf(world, 'message', sentAt).filter(({ text }) => text === `trial ${trial}`).length;
      while (got() < due && now() - sentAt < 6000) await pause(10);
      worst = Math.max(worst, sent.elapsed);
      // Now and then long enough for a noop, whose position must not be past what comes next.
      if (trial % 4 === 3) await pause(1300);
    }
    findings.figures.trials = trial;
    findings.figures.worst = `${worst.toFixed(0)} ms`;
    findings.expect(worst < 2500, `the slowest of ${trial} took ${worst.toFixed(0)} ms`);
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    expectNoReset(world, findings);
  },
});

/** Also the negative control: a gateway that heals nothing has to lose a good part here. */
export const storm = scenario({
  name: 'storm',
  sentence:
    'loses nothing of what is published by FCALL and HTTP while all subscriber connections are cut ten times a second',
  seconds: { short: 4, long: 30 },
  plan: () => ({ ways: { plain: 0, fcall: 3, http: 1 }, changes: 0 }),
  async act(world, run, findings) {
    findings.figures.cuts = await every(world, 100, run.seconds, async () => {
      await world.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    });
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    expectNoReset(world, findings);
  },
});

/** More than the kernel holds back for a reader that does not read. */
const BULK = { messages: 80, bytes: 100_000 };

export const slowGateway = scenario({
  name: 'slow-gateway',
  sentence: 'heals from the backlogs what a gateway missed when Redis cut it off for being slow',
  seconds: { short: 5, long: 40 },
  plan: () => ({ relays: true, env: { SISYPHUS_MAX_BUFFER: '64MB' } }),
  async act(world, run, findings) {
    await world.call('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1');
    let cutOff = 0;
    findings.figures.times = await every(world, 500, run.seconds, async () => {
      const post = world.random.pick(world.posts);
      // Whose reader it is that has the channel heard there.
      const stream = world.ledger.streams.findLast(
        ({ gateway, closedAt }) => gateway === String(post.port) && !closedAt,
      );
      const user = world.ledger.readers.find(({ name }) => name === stream?.reader)?.user ?? world.load.users[0];
      world.note(`gateway ${post.port} stops hearing Redis, while much is sent to ${user}`);
      const links = [...(post.relay?.links ?? [])];
      for (const link of links) link.down.hold();
      for (let i = 0; i < BULK.messages; i++) {
        await world.load.publish('fcall', `user:${user}`, `bulk ${now()} ${'x'.repeat(BULK.bytes)}`);
      }
      await pause(1200);
      world.note(`gateway ${post.port} hears Redis again`);
      for (const link of links) link.down.pass();
      // Those of the pub/sub are cut off, if any.
      await eventually(() => links.some((link) => link.closed), 2000, 50).catch(() => undefined);
      cutOff += links.filter((link) => link.closed).length;
    });
    findings.figures['cut off'] = cutOff;
    findings.expect(cutOff > 0, 'Redis cut nobody off: nothing was shown');
  },
});
