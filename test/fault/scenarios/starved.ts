import { openStream, type RawStream } from '../../support/raw-stream.ts';
import { eventually } from '../../support/wait.ts';
import { now } from '../clock.ts';
import { Helper } from '../processes/channel.ts';
import type { StarverOrder, StarverReport } from '../processes/starver-process.ts';
import { expectNothingSeen, type Findings, pause, type Run, type Scenario, scenario } from '../scenario.ts';
import { watchMemory } from '../support/memory.ts';
import type { World } from '../world.ts';

/** A quarter of a core, in pieces that one answer does not fit into. */
const DUTY = 0.25;
const PERIOD = 300;
/** How long it may take to be well again (ms), and how much memory it may take meanwhile. */
const WELL_WITHIN = 5000;
const MEMORY = 150 * 1024 * 1024;

/** Large lists, which change all the time, and newcomers who come and go as fast as they can. */
const BUSY = { gateways: 1, rooms: 3000, silenceLimit: 0 };

/** Clients that open a stream, stay for a while, and come back at once, each other time as somebody new. */
class Newcomers {
  readonly #world: World;
  readonly #streams = new Map<number, RawStream>();
  #ended = false;
  let = 0;
  refused = 0;

  constructor(world: World, count: number) {
    this.#world = world;
    for (let i = 0; i < count; i++) void this.#come(i);
  }

  end(): void {
    this.#ended = true;
    for (const stream of this.#streams.values()) stream.close();
  }

  async #come(number: number): Promise<void> {
    for (let life = 0; !this.#ended; life++) {
      const user = number % 2 === 0 ? `new${number}x${life}` : `again${number}`;
      const { random, load, admin, posts } = this.#world;
      const rooms = random.sample(load.rooms, 8);
      await admin.call('SADD', `user:${user}:channels`, ...rooms).catch(() => undefined);
      void load.publish('plain', `user:${user}`, `a list ${life}`);
      const stream = openStream({ port: posts[0]!.port, path: `/?user=${user}` });
      this.#streams.set(number, stream);
      await stream.ok(20_000).then(
        () => this.let++,
        () => this.refused++,
      );
      await pause(random.between(300, 3000));
      stream.close();
    }
  }
}

interface Starving {
  name: string;
  sentence: string;
  who: ('redis' | 'gateway')[];
  /** Channels on each list at the start. */
  channels?: number;
  /** While it lasts. */
  act?: (world: World, run: Run, signal: AbortSignal) => Promise<void>;
}

function starved({ name, sentence, who, channels = 350, act }: Starving): Scenario {
  return scenario({
    name,
    sentence,
    seconds: { short: 5, long: 15 },
    plan: ({ long }) => ({
      ...BUSY,
      roomsPerUser: channels,
      ...(long
        ? { readers: 100, users: 100, rate: 250, changes: 400 }
        : { readers: 40, users: 40, rate: 100, changes: 150 }),
    }),
    async act(world, run, findings) {
      // Nobody can tell how long a change waits, while everything does.
      world.ledger.crossing = run.seconds * 1000 + 20_000;
      const newcomers = new Newcomers(world, run.long ? 150 : 60);
      const over = new AbortController();
      try {
        await pause(1500);
        const memory = watchMemory(world.posts[0]!.gateway.pid);
        world.note(`${who.join(' and ') || 'nobody'} is starved`);
        const [watch, began] = [world.stopwatch(), now()];
        const acting = act?.(world, run, over.signal);
        if (who.length > 0) await starve(world, who, run.seconds * 1000);
        else await pause(run.seconds * 1000);
        over.abort();
        await acting;
        world.note('and is not any more');
        await expectWell(world, newcomers, findings);
        // Where nothing is taken away, there is enough for all. On two cores it is half of the time, and three times that beside other tests.
        const taken = watch.waited / (now() - began);
        findings.figures['waited for a processor'] = `${Math.round(taken * 100)} % of the time`;
        const isFree = who.length === 0 && taken < 1;
        findings.expect(!isFree || newcomers.refused === 0, `${newcomers.refused} newcomers were turned away`);
        const grown = memory.end();
        findings.figures.grown = `${Math.round(grown / 1024 / 1024)} MB`;
        findings.expect(grown <= MEMORY, `the gateway took ${Math.round(grown / 1024 / 1024)} MB more`);
      } finally {
        over.abort();
        newcomers.end();
      }
    },
    check: (world, _run, findings) => expectNothingSeen(world, findings),
  });
}

async function starve(world: World, who: ('redis' | 'gateway')[], lasts: number): Promise<void> {
  const pids = who.map((one) => (one === 'redis' ? world.redis.pid : world.posts[0]!.gateway.pid));
  let done = false;
  const starver = new Helper<StarverOrder, StarverReport>(
    './starver-process.ts',
    () => {
      done = true;
    },
    (what) => world.ledger.problems.push({ at: now(), who: 'the run', what }),
  );
  try {
    starver.send({ pids, duty: DUTY, period: PERIOD, lasts });
    await eventually(() => done, lasts + 10_000, 20);
  } finally {
    await starver.end();
    for (const one of [world.redis, ...world.posts.map(({ gateway }) => gateway)]) one.kill('SIGCONT');
  }
}

/** Everybody gets what is said now, newcomers are let in, and the gateway says that it is ready. */
async function expectWell(world: World, newcomers: Newcomers, findings: Findings): Promise<void> {
  const from = now();
  const { let: before } = newcomers;
  const text = `probe ${from}`;
  try {
    await Promise.all(world.load.users.map((user) => world.load.publish('fcall', `user:${user}`, text)));
    await eventually(
      async () => {
        const got = new Set(
          world.ledger.frames.filter((frame) => frame.at >= from && frame.text === text).map(({ reader }) => reader),
        );
        if (got.size < world.ledger.readers.length)
          throw new Error(`${got.size} of ${world.ledger.readers.length} readers have the probe`);
        if (newcomers.let === before) throw new Error('no newcomer was let in');
        const ready = await fetch(`http://127.0.0.1:${world.posts[0]!.port}/readyz`, {
          signal: AbortSignal.timeout(2000),
        });
        return ready.status === 200;
      },
      WELL_WITHIN,
      50,
    );
    findings.figures['well after'] = `${(now() - from).toFixed(0)} ms`;
  } catch (error) {
    findings.failures.push(`not well ${WELL_WITHIN} ms after: ${(error as Error).message}`);
  }
  findings.figures['newcomers let in'] = newcomers.let;
  findings.figures['newcomers refused'] = newcomers.refused;
}

export const starvedRedis = starved({
  name: 'starved-redis',
  sentence: 'ends no stream while Redis has a quarter of a core, and is well within 5 s after it',
  who: ['redis'],
});

export const starvedGateway = starved({
  name: 'starved-gateway',
  sentence: 'ends no stream while the gateway has a quarter of a core, and is well within 5 s after it',
  who: ['gateway'],
});

export const starvedBoth = starved({
  name: 'starved-both',
  sentence: 'ends no stream while Redis and the gateway have a quarter of a core each, and is well within 5 s after it',
  who: ['redis', 'gateway'],
});

export const growingLists = starved({
  name: 'growing-lists',
  sentence: 'ends no stream while lists of hundreds of channels grow all the time',
  who: [],
  channels: 650,
  async act(world, _run, signal) {
    // By script and by the application, of each user in turn: up to twice as many as at the start.
    for (let turn = 0; !signal.aborted; turn++) {
      const done: Promise<unknown>[] = [];
      world.admin.together(() => {
        for (let i = 0; i < 4; i++) {
          const user = world.random.pick(world.load.users);
          const room = `grown:${world.random.integer(1, 3000)}`;
          const own = `user:${user}`;
          const text = `grown ${turn} ${i}`;
          const grant = ['FCALL', 'sisyphus_grant', '0', user, room, text];
          if (i % 2 === 0) done.push(world.load.publish('fcall', own, text, grant));
          else done.push(world.admin.call('SADD', `${own}:channels`, room), world.load.publish('plain', own, text));
        }
      });
      await pause(10);
      if (turn % 20 === 0) await Promise.all(done);
    }
  },
});
