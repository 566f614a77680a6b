import { RESET_REASONS } from '../../../src/message/reset.ts';
import { eventually } from '../../support/wait.ts';
import { now } from '../clock.ts';
import type { Publication } from '../ledger.ts';
import { every, expectNothingSeen, pause, scenario, Unheard } from '../scenario.ts';
import type { World } from '../world.ts';

/** What a stray write, or a restore gone wrong, may leave under a channel. */
const BROKEN: Record<string, (base: string) => string[]> = {
  'broken:1': (base) => ['HSET', `${base}:msg_last`, 'a', 'b'],
  'broken:2': (base) => ['SET', `${base}:msg_backlog`, 'no stream'],
  'broken:3': (base) => ['RPUSH', `${base}:msg_id`, 'no counter'],
  'broken:4': (base) => ['SET', `${base}:msg_id`, 'no number'],
};

let unheard = new Unheard();

export const brokenKeys = scenario({
  name: 'broken-keys',
  sentence: 'goes on with every other channel where keys of one are broken, and tells its readers and the log',
  seconds: { short: 4, long: 30 },
  plan: () => ({ deniedRooms: Object.keys(BROKEN), changes: 2, noRaw: true }),
  async act(world, run, findings) {
    unheard = new Unheard();
    for (const channel of Object.keys(BROKEN)) await world.load.publish('plain', channel, 'all is well');
    await pause(300);
    for (const [channel, breakIt] of Object.entries(BROKEN)) {
      const words = breakIt(`sisyphus:{0}:channel:${channel}`);
      await world.call('DEL', words[1]!);
      await world.call(...words);
    }
    const from = now();
    let number = 0;
    await every(world, 400, run.seconds, async () => {
      for (const channel of Object.keys(BROKEN)) {
        await world.load.publish('fcall', channel, `script ${number}`);
        const publication = await world.load.publish('plain', channel, `plain ${number++}`);
        if (publication.sentAt - from < (run.seconds - 1) * 1000) unheard.add([publication]);
      }
    });
    await unheard.turn(world);
    for (const [channel, breakIt] of Object.entries(BROKEN)) {
      const told = world.posts.some(({ gateway }) =>
        gateway.logs.some((line) => JSON.stringify(line).includes(channel)),
      );
      findings.expect(told, `no line in a log names ${channel}`);
      // The record is read at the end.
      await world.call('DEL', breakIt(`sisyphus:{0}:channel:${channel}`)[1]!);
    }
  },
  check(world, _run, findings) {
    expectNothingSeen(world, findings);
    unheard.expectTold(world, findings);
  },
});

/** What may become of a key: it goes, it is of another type, its content makes no sense. */
const DAMAGES: ((key: string) => string[][])[] = [
  (key) => [['DEL', key]],
  (key) => [
    ['DEL', key],
    ['SET', key, 'of another type'],
  ],
  (key) => [
    ['DEL', key],
    ['RPUSH', key, 'of another type'],
  ],
  (key) => [
    ['DEL', key],
    ['HSET', key, 'last', 'no number', 'born', 'no number', 'expires', 'never'],
  ],
];

/** One after the other of the fields that the store is known by. */
const FIELDS = ['last', 'born', 'replid', 'said', 'owner', 'expires', 'id', 'count'];

export const halfLostStore = scenario({
  name: 'half-lost-store',
  sentence: 'is well again within 5 s, and has told of what is missing, whichever of its keys are lost or damaged',
  seconds: { short: 5, long: 60 },
  plan: () => ({ changes: 0, noRaw: true, gateways: 2 }),
  async act(world, run, findings) {
    let worst = 0;
    /** A channel of which a key has another type stays as it is: somebody has to look at what is there. */
    const damaged = new Set<string>();
    findings.figures.damages = await every(world, 300, run.seconds, async () => {
      for (const key of await damage(world)) damaged.add(/:channel:(.+):msg_/.exec(key)?.[1] ?? '');
      const user = world.load.users.find((one) => !damaged.has(`user:${one}`)) ?? '';
      const hit = world.stopwatch();
      try {
        await eventually(() => isWell(world, user), 15_000, 50);
      } catch (error) {
        findings.failures.push(`not well after 15 s: ${(error as Error).message}`);
      }
      worst = Math.max(worst, hit.elapsed);
    });
    findings.figures['well after'] = `${worst.toFixed(0)} ms`;
    findings.expect(worst <= 5000, `it took ${worst.toFixed(0)} ms to be well again`);
    for (const channel of damaged) {
      const keys = ['msg_backlog', 'msg_last', 'msg_id'].map((name) => `sisyphus:{0}:channel:${channel}:${name}`);
      await world.call('DEL', ...keys);
    }
    for (const { gateway } of world.posts) {
      const errors = gateway.logs.filter((line) => /TypeError|RangeError/.test(JSON.stringify(line))).length;
      findings.expect(errors === 0, `${errors} lines of a log tell of a mistake in the gateway`);
    }
  },
});

/** Answers which keys. */
async function damage(world: World): Promise<string[]> {
  const { admin, random } = world;
  const all = (await admin.call('KEYS', 'sisyphus:*')) as string[];
  // One of each kind is as likely as one of another: most keys are channels'.
  const kinds = new Map<string, string[]>();
  for (const key of all) {
    const kind = key.replace(/(channel|user|idempotency):.+(?=:|$)/, '$1');
    kinds.set(kind, [...(kinds.get(kind) ?? []), key]);
  }
  const chosen = random
    .sample([...kinds.keys()], random.integer(1, 2))
    .map((kind) => random.pick(kinds.get(kind) ?? []));
  /** A gateway that mends a key at this moment may have made it one of another type: then it is not damaged. */
  const spoil = async (words: string[]): Promise<void> => {
    // A channel's revisions may start again, or those of all; and again if a gateway notices between two commands.
    for (const reason of RESET_REASONS) world.ledger.licences.push({ reason, from: now() });
    await world.call(...words).catch((error: Error) => {
      if (!error.message.startsWith('WRONGTYPE')) throw error;
    });
  };
  for (const key of chosen) {
    const isHash = (await admin.call('TYPE', key)) === 'hash';
    if (isHash && random.chance(0.5)) await spoil(['HDEL', key, ...random.sample(FIELDS, random.integer(1, 3))]);
    else for (const words of random.pick(DAMAGES)(key)) await spoil(words);
  }
  return chosen;
}

/** Each gateway is ready, and what is published in each way reaches whoever follows. */
async function isWell(world: World, user: string): Promise<boolean> {
  const readers = world.ledger.readers.filter((reader) => reader.user === user);
  const sent = [
    await world.load.publish('fcall', `user:${user}`, `probe by script ${now()}`),
    await world.load.publish('plain', `user:${user}`, `plain probe ${now()}`),
  ];
  for (const { port } of world.posts) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2000) });
    if (response.status !== 200) throw new Error(`gateway ${port}: ${await response.text()}`);
  }
  const got = ({ text, sentAt }: Publication): boolean =>
    readers.every(({ name }) =>
      world.ledger.frames.some((frame) => frame.reader === name && frame.at >= sentAt && frame.text === text),
    );
  return eventually(
    () => {
      if (sent.every(got)) return true;
      throw new Error(
        `${sent.filter((one) => !got(one)).map(({ text, problem }) => `${text} ${problem ?? ''}`)} did not come`,
      );
    },
    1000,
    20,
  );
}

/** Longer than a lease, by far (us). */
const BACK = 20_000_000;

export const clockBack = scenario({
  name: 'clock-back-recorder-dies',
  sentence: 'has a recorder again within 3 s where the clock of Redis went back and the recorder died',
  seconds: { short: 4, long: 40 },
  async act(world, run, findings) {
    let worst = 0;
    let turn = 0;
    findings.figures.times = await every(world, 800, run.seconds, async () => {
      const leader = await world.hasRecorder();
      const others = world.posts.filter((post) => post !== leader);
      const isThere = await world.admin.call('HEXISTS', 'sisyphus:{0}:recorder', 'expires');
      findings.expect(isThere === 1, 'the lease is kept elsewhere: nothing was shown');
      // As if the clock had been so much ahead when these were written: what they say lies in the future.
      const calls = [world.call('HINCRBY', 'sisyphus:{0}:recorder', 'expires', String(BACK))];
      const standbys = (await world.admin.call('ZRANGE', 'sisyphus:{0}:standbys', '0', '-1')) as string[];
      for (const name of standbys) calls.push(world.call('ZINCRBY', 'sisyphus:{0}:standbys', String(BACK), name));
      await Promise.all(calls);
      const stepped = world.stopwatch();
      // Every other time a standby dies with it.
      const back = [world.replace(leader)];
      if (turn++ % 2 === 1) back.push(world.replace(world.random.pick(others)));
      const [room = ''] = world.load.rooms;
      const publication = await world.load.publish('plain', room, `after the step ${now()}`);
      const isRecorded = (): boolean => world.ledger.frames.some(({ text }) => text === publication.text);
      await eventually(isRecorded, 6000, 20).catch(() => undefined);
      worst = Math.max(worst, stepped.elapsed);
      await Promise.all(back);
      // What was set ahead is written anew by who takes the lease; what was not would be found by the next turn.
      await world.call('DEL', 'sisyphus:{0}:standbys');
    });
    findings.figures['recorded after'] = `${worst.toFixed(0)} ms`;
    findings.expect(worst <= 3000, `it took ${worst.toFixed(0)} ms until a plain PUBLISH was recorded`);
  },
});
