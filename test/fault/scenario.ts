import { setTimeout as pause } from 'node:timers/promises';
import type { RedisServer } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';
import { now } from './clock.ts';
import type { Verdict } from './judge.ts';
import type { Frame, Publication } from './ledger.ts';
import { groupBy } from './truth.ts';
import { World, type WorldPlan } from './world.ts';

export interface Run {
  seed: number;
  /** How long the faults go on. */
  seconds: number;
  /** The figures that need a long run are asked for too. */
  long: boolean;
}

export interface Result {
  verdict: Verdict;
  /** What is missed besides the ledger's rules: figures that were to be reached. */
  failures: string[];
  figures: Record<string, number | string>;
}

export interface Scenario {
  name: string;
  /** What holds, as a sentence. */
  sentence: string;
  seconds: { short: number; long: number };
  run(run: Run): Promise<Result>;
}

/** What a scenario adds to the judge's verdict while it runs. */
export class Findings {
  readonly failures: string[] = [];
  readonly figures: Record<string, number | string> = {};

  expect(holds: boolean, otherwise: string): void {
    if (!holds) this.failures.push(otherwise);
  }
}

export interface Definition {
  name: string;
  sentence: string;
  seconds: { short: number; long: number };
  plan?: (run: Run) => Partial<WorldPlan>;
  /** Starts what is more than one plain Redis. */
  redis?: (run: Run) => Promise<RedisServer>;
  act(world: World, run: Run, findings: Findings): Promise<void>;
  /** Stops what `redis` has started besides the Redis that the world ends up with. */
  end?(): Promise<void>;
  /** After the last message has reached everybody. */
  check?(world: World, run: Run, findings: Findings): void;
}

/** A scenario as most are: a world under load, faults, an end that everybody hears, the verdict. */
export function scenario({ name, sentence, seconds, plan, redis, act, end, check }: Definition): Scenario {
  return {
    name,
    sentence,
    seconds,
    async run(run) {
      const findings = new Findings();
      // First: the plan may need to know where it is.
      const server = await redis?.(run);
      const world = await World.start({ ...basePlan(run), scenario: name, seed: run.seed, ...plan?.(run) }, server);
      let verdict: Verdict;
      try {
        await act(world, run, findings);
        verdict = await world.finish();
        check?.(world, run, findings);
        findings.figures.slowest = `${slowest(world).toFixed(0)} ms`;
      } finally {
        // A gateway that does not end as it should is a finding like any other.
        await world.close().catch((error: Error) => findings.failures.push(shorten(error.message)));
        await end?.();
      }
      return { verdict, failures: findings.failures, figures: findings.figures };
    },
  };
}

/** What was wrong, and the last that was heard of the process. */
function shorten(message: string): string {
  const lines = message.split('\n').filter((line) => line !== '');
  return [lines[0], ...lines.slice(-3)].map((line) => line?.slice(0, 200)).join(' | ');
}

function basePlan({ long }: Run): Omit<WorldPlan, 'scenario' | 'seed'> {
  return {
    gateways: 3,
    readers: long ? 60 : 24,
    users: long ? 40 : 16,
    rooms: 12,
    roomsPerUser: 3,
    publishers: 2,
    rate: long ? 200 : 120,
    changes: 8,
    silenceLimit: 3500,
  };
}

/** Calls `act` every so many milliseconds, jittered, until the run's seconds are over. */
export async function every(
  world: World,
  milliseconds: number,
  seconds: number,
  act: () => Promise<void>,
): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let times = 0;
  while (performance.now() < end) {
    await pause(milliseconds * world.random.between(0.8, 1.2));
    await act();
    times++;
  }
  return times;
}

/** The longest way from a publish to a reader, in milliseconds. */
export function slowest(world: World): number {
  const sentAt = new Map<number, number>();
  for (const { id, sentAt: at } of world.ledger.publications) if (id !== undefined) sentAt.set(id, at);
  let most = 0;
  for (const { id, at, kind } of world.ledger.frames) {
    const sent = sentAt.get(id);
    if (kind === 'message' && sent !== undefined) most = Math.max(most, at - sent);
  }
  return most;
}

/** Frames of this kind that came after a moment. */
export function framesOf(world: World, kind: Frame['kind'], from = 0): Frame[] {
  return world.ledger.frames.filter((frame) => frame.kind === kind && frame.at >= from);
}

/** So long (ms) nobody gets a message once all are recorded and delivered. */
const QUIET = 500;

/**
 * Until nobody gets messages any more. On a busy machine a recorder or a gateway may be behind by a second, and what it has not read when Redis is
 * killed is known to nobody.
 */
export async function untilQuiet(world: World): Promise<void> {
  let [count, since] = [-1, 0];
  await eventually(
    () => {
      const { length } = framesOf(world, 'message');
      if (length !== count) [count, since] = [length, now()];
      return now() - since > QUIET;
    },
    15_000,
    50,
  );
}

/** Everything could be found: there was nothing to tell anybody of. */
export function expectNoReset(world: World, findings: Findings): void {
  const resets = framesOf(world, 'reset').length;
  findings.expect(resets === 0, `${resets} resets`);
}

/** Nobody had to come back, and nobody was told of anything. */
export function expectNothingSeen(world: World, findings: Findings): void {
  const { ledger } = world;
  const returns = ledger.streams.length - ledger.readers.length;
  findings.expect(returns === 0, `${returns} streams were opened again`);
  findings.expect(framesOf(world, 'error').length === 0, `${framesOf(world, 'error').length} error frames`);
}

/** So long (ms) after it was lost a message is announced to everybody who followed its channel. */
const TOLD_WITHIN = 3000;

interface UnheardMessage {
  publication: Publication;
  /** Up to when readers are told of this one, and not of a later one. */
  by: number;
}

/** What was published while nobody could hear it. */
export class Unheard {
  readonly #messages: UnheardMessage[] = [];
  readonly #open = new Set<UnheardMessage>();

  add(publications: readonly Publication[]): void {
    for (const publication of publications) {
      const message = { publication, by: Number.POSITIVE_INFINITY };
      this.#messages.push(message);
      this.#open.add(message);
    }
  }

  /** Whoever is told from now on is told of something else. Before that, everybody has the time in which a loss is announced. */
  async turn(world: World): Promise<void> {
    const isOver = (): boolean => this.#open.size === 0 || silentOf([...this.#open], world).length === 0;
    await eventually(isOver, TOLD_WITHIN, 50).catch(() => undefined);
    for (const message of this.#open) message.by = now();
    this.#open.clear();
  }

  /** Whoever followed the channel of such a message was told that something is missing there. Rights must not have changed. */
  expectTold(world: World, findings: Findings): void {
    const silent = silentOf(this.#messages, world);
    findings.figures.unheard = this.#messages.length;
    findings.expect(this.#messages.length > 0, 'everything was heard: nothing was shown');
    findings.expect(silent.length === 0, `${silent.length} were told nothing: ${silent.slice(0, 4).join('; ')}`);
  }
}

/** Who followed the channel of such a message, and neither got it nor was told. */
function silentOf(messages: UnheardMessage[], { ledger }: World): string[] {
  const silent: string[] = [];
  const first = Math.min(...messages.map(({ publication }) => publication.sentAt));
  const since = ledger.frames.filter(({ at }) => at >= first);
  const frames = groupBy(since, ({ reader }) => reader);
  for (const { publication, by } of messages) {
    const { channel, text, sentAt } = publication;
    for (const { name, user } of ledger.readers) {
      if (channel !== `user:${user}` && !ledger.rights.get(user)?.includes(channel)) continue;
      const mine = (frames.get(name) ?? []).filter(({ at }) => at >= sentAt && at <= by);
      const isThere = mine.some(({ kind, text: got }) => kind === 'message' && got === text);
      const isTold = mine.some((frame) => frame.kind === 'reset' && frame.channel === channel);
      if (!isThere && !isTold) silent.push(`${name} of ${JSON.stringify(text)} on ${channel}`);
    }
  }
  return silent;
}

export { pause };
