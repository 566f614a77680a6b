import { eventually } from '../../support/wait.ts';
import { now } from '../clock.ts';
import { every, expectNothingSeen, type Findings, framesOf, pause, type Run, scenario } from '../scenario.ts';
import type { World } from '../world.ts';

/** Stops Redis for a while, as a virtual machine does that is moved. */
async function stopRedis(world: World, milliseconds: number): Promise<void> {
  world.note(`Redis stands still for ${milliseconds} ms`);
  world.redis.kill('SIGSTOP');
  await pause(milliseconds);
  world.redis.kill('SIGCONT');
  world.note('Redis goes on');
}

export const stoppedShortly = scenario({
  name: 'redis-stopped-shortly',
  sentence: 'shows nothing of it when Redis stands still for less than the grace',
  seconds: { short: 5, long: 60 },
  plan: () => ({ silenceLimit: 0 }),
  async act(world, run, findings) {
    findings.figures.stops = await every(world, 500, run.seconds, () =>
      stopRedis(world, world.random.pick([1000, 2500, 4000])),
    );
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

export const stoppedLong = scenario({
  name: 'redis-stopped-long',
  sentence: 'says `error` and closes when Redis is away for longer than the grace, and is complete after its return',
  seconds: { short: 6, long: 20 },
  // Up to 3 s to notice, then the grace.
  plan: ({ long }) => ({ env: { SISYPHUS_REDIS_GRACE: long ? '5s' : '2s' }, silenceLimit: 0 }),
  async act(world, run, findings) {
    const from = now();
    // Every connection has been given up by then, and with it what is published before there are new ones.
    world.ledger.licences.push({ reason: 'unrecorded', from }, { reason: 'overtaken', from });
    // What waits meanwhile happens in one moment: a message and a change that publishers made seconds apart.
    world.ledger.crossing = run.seconds * 1000 + 5000;
    await stopRedis(world, run.seconds * 1000);
    const told = new Set(framesOf(world, 'error', from).map(({ reader }) => reader));
    findings.figures['readers told'] = told.size;
    findings.expect(told.size === world.ledger.readers.length, `only ${told.size} readers got an error`);
    await pause(500);
  },
});

/** Empties Redis, and writes the application's lists again before anybody can look. */
async function flush(world: World, command: string): Promise<void> {
  world.ledger.licences.push({ reason: 'flushed', from: now() });
  world.note(command);
  const { admin, ledger } = world;
  const calls: Promise<unknown>[] = [];
  admin.together(() => {
    calls.push(admin.call('MULTI'), admin.call(command));
    for (const [user, channels] of ledger.rights) calls.push(admin.call('SADD', `user:${user}:channels`, ...channels));
    calls.push(admin.call('EXEC'));
  });
  await Promise.all(calls);
}

function expectFlushedResets(world: World, _run: Run, findings: Findings): void {
  for (const { from } of world.ledger.licences) {
    const told = framesOf(world, 'reset', from).filter(({ reason, at }) => reason === 'flushed' && at < from + 2500);
    const due = world.ledger.readers.reduce(
      (sum, { user }) => sum + 1 + (world.ledger.rights.get(user)?.length ?? 0),
      0,
    );
    findings.expect(told.length >= due, `${told.length} of ${due} resets came within 2 s`);
  }
}

export const flushed = scenario({
  name: 'flushed',
  sentence: 'tells every reader of every channel, within 2 s, that Redis has lost its memory, and goes on',
  seconds: { short: 6, long: 40 },
  // The lists are written back as they were, so that they must not change meanwhile.
  plan: () => ({ changes: 0, noRaw: true }),
  async act(world, run, findings) {
    findings.figures.flushes = await every(world, 2500, run.seconds, () => flush(world, 'FLUSHALL'));
    await pause(1500);
  },
  check: expectFlushedResets,
});

export const functionsGone = scenario({
  name: 'functions-gone',
  sentence: 'goes on where the functions and scripts are taken away again and again',
  seconds: { short: 4, long: 30 },
  plan: () => ({ ways: { plain: 2, fcall: 1, http: 2 } }),
  async act(world, run, findings) {
    findings.figures.times = await every(world, 150, run.seconds, async () => {
      await world.call('FUNCTION', 'FLUSH');
      await world.call('SCRIPT', 'FLUSH');
    });
    // Those who publish by FCALL are told that it is not there; the next gateway that needs it loads it.
    await pause(1500);
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

/** What publishers over HTTP were answered, and how long it took. */
function refusals(world: World, from: number, to: number, pattern: RegExp): number {
  return world.ledger.publications.filter(
    ({ sentAt, problem }) => sentAt >= from && sentAt <= to && pattern.test(problem ?? ''),
  ).length;
}

export const outOfMemory = scenario({
  name: 'out-of-memory',
  sentence:
    'refuses publishers while Redis is out of memory, delivers nothing unrecorded, and records what was heard when it can again',
  seconds: { short: 5, long: 40 },
  plan: () => ({ ways: { plain: 2, fcall: 2, http: 1 }, changes: 2 }),
  async act(world, run, findings) {
    let refused = 0;
    await every(world, 1200, run.seconds, async () => {
      const from = now();
      await world.call('CONFIG', 'SET', 'maxmemory', '1');
      await pause(1500);
      await world.call('CONFIG', 'SET', 'maxmemory', '0');
      const to = now();
      await pause(300);
      refused += refusals(world, from, to, /OOM|507/);
    });
    findings.figures.refused = refused;
    findings.expect(refused > 0, 'nobody was refused: nothing was shown');
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

export const readOnly = scenario({
  name: 'read-only',
  sentence:
    'keeps its streams while Redis is a replica for a while, and records what was heard when it is a master again',
  seconds: { short: 5, long: 40 },
  plan: () => ({ env: { SISYPHUS_REDIS_GRACE: '1s' }, ways: { plain: 2, fcall: 2, http: 1 }, changes: 2 }),
  async act(world, run, findings) {
    const from = now();
    findings.figures.times = await every(world, 1200, run.seconds, async () => {
      // Who finds a replica where a master should be looks elsewhere, and does not hear what is published meanwhile.
      world.ledger.licences.push({ reason: 'unrecorded', from: now() });
      // Of a master that is not there: what it has stays as it is.
      await world.call('REPLICAOF', '127.0.0.1', '1');
      await pause(1500);
      await world.call('REPLICAOF', 'NO', 'ONE');
    });
    const refused = refusals(world, from, now(), /READONLY/);
    findings.figures.refused = refused;
    findings.expect(refused > 0, 'nobody was refused: nothing was shown');
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

export const writesRefused = scenario({
  name: 'writes-refused',
  sentence:
    'keeps its streams and lets readers in while Redis takes no writes for longer than the grace, and records what was heard when it does',
  seconds: { short: 6, long: 40 },
  plan: () => ({ env: { SISYPHUS_REDIS_GRACE: '1s' }, ways: { plain: 2, fcall: 2, http: 1 }, changes: 2 }),
  async act(world, run, findings) {
    const from = now();
    findings.figures.times = await every(world, 1200, run.seconds, async () => {
      world.note('writes are refused');
      await world.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
      await pause(2500);
      await world.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
    });
    const refused = refusals(world, from, now(), /NOREPLICAS/);
    findings.figures.refused = refused;
    findings.expect(refused > 0, 'nobody was refused: nothing was shown');
  },
  check: (world, _run, findings) => expectNothingSeen(world, findings),
});

export const restarted = scenario({
  name: 'redis-restarted',
  sentence: 'waits while Redis loads its data after a restart, and loses nothing that Redis has kept',
  seconds: { short: 3, long: 30 },
  // A second's worth of keys to load, slowly.
  plan: () => ({
    redisArgs: [
      '--key-load-delay',
      '60',
      '--enable-debug-command',
      'yes',
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
    ],
    changes: 2,
  }),
  async act(world, run, findings) {
    await world.call('DEBUG', 'POPULATE', '15000');
    await world.call('BGREWRITEAOF');
    findings.figures.restarts = await every(world, 1500, run.seconds, async () => {
      world.ledger.licences.push({ reason: 'unrecorded', from: now() });
      world.note('Redis is killed');
      world.redis.kill('SIGKILL');
      await world.redis.restart();
      world.note('Redis is back');
      await world.hasRecorder();
    });
  },
});

export const clockAhead = scenario({
  name: 'clock-set-back',
  sentence: 'lets ids rise, and resets nothing, after the clock of Redis was set back',
  seconds: { short: 5, long: 30 },
  async act(world, run, findings) {
    findings.figures.times = await every(world, 1200, run.seconds, async () => {
      // As if ids had been given out by a clock that was a minute ahead.
      const last = Number(await world.admin.call('HGET', 'sisyphus:{0}:clock', 'last'));
      await world.call('HSET', 'sisyphus:{0}:clock', 'last', String(last + 60_000_000));
      await world.replace(world.random.pick(world.posts));
    });
  },
});

export const allGone = scenario({
  name: 'all-gateways-killed',
  sentence:
    'is complete for what was recorded after every gateway was killed at once, and announces what nobody could hear',
  seconds: { short: 4, long: 40 },
  async act(world, run, findings) {
    findings.figures.times = await every(world, 2000, run.seconds, async () => {
      const from = now();
      // A plain grant may be recorded only when streams have gone past it.
      world.ledger.licences.push({ reason: 'unrecorded', from }, { reason: 'overtaken', from });
      await Promise.all(world.posts.map((post) => world.replace(post)));
      await eventually(() => world.leader(), 8000, 50);
    });
  },
});
