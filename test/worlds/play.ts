import { Random } from '../fault/random.ts';
import { doFaults, makeNoise } from './faults.ts';
import type { Counts, Kind, Violation } from './oracle.ts';
import { drawPlan, type Limits, type Plan } from './plan.ts';
import { addCounts, describe, writeLedger } from './report.ts';
import { Stage } from './stage.ts';
import { World } from './world.ts';

export interface Wanted {
  seed: number;
  seconds: number;
  limits?: Limits;
  /** Instead of what is drawn. */
  plan?: Partial<Plan>;
  /** Told of each violation, with what happened around it. */
  onViolation?: (text: string, violation: Violation) => void;
  /** Told of each world in which something was wrong, with everything that happened there. */
  onWrong?: (world: string, ledger: string) => void;
  onStage?: (line: string) => void;
}

export interface Outcome {
  worlds: number;
  /** In which at least one thing was wrong. */
  wrong: number;
  counts: Counts;
  violations: Record<Kind, number>;
}

/** One stage lasts so long (s): then there are others faults, another distance, other gateways. */
const STAGE = 15;

const NOTHING: Counts = {
  published: 0,
  deliveries: 0,
  owed: 0,
  forbidden: 0,
  either: 0,
  covered: 0,
  resets: 0,
  streams: 0,
  changes: 0,
  looks: 0,
};

/** Plays worlds, on one stage after the other, until the time is over. The seed decides what happens, not how fast. */
export async function play(wanted: Wanted): Promise<Outcome> {
  const outcome: Outcome = { worlds: 0, wrong: 0, counts: NOTHING, violations: {} as Record<Kind, number> };
  const end = Date.now() + wanted.seconds * 1000;
  for (let number = 0; number === 0 || Date.now() < end; number++) {
    const random = new Random(wanted.seed).fork(`stage ${number}`);
    const plan = { ...drawPlan(random, wanted.limits), ...wanted.plan };
    const what = `stage ${number}: ${plan.gateways} gateways, ${plan.distance}, ${plan.faults.join(', ') || 'no faults'}`;
    const before = outcome.worlds;
    await playStage(plan, random, number, Math.min(end, Date.now() + STAGE * 1000), outcome, wanted);
    wanted.onStage?.(`${what}: ${outcome.worlds - before} worlds`);
  }
  return outcome;
}

async function playStage(
  plan: Plan,
  random: Random,
  number: number,
  end: number,
  outcome: Outcome,
  wanted: Wanted,
): Promise<void> {
  const stage = await Stage.start(plan);
  const over = new AbortController();
  try {
    const around = [
      doFaults(stage, plan.faults, random.fork('faults'), over.signal),
      makeNoise(stage, plan.noise, over.signal),
    ];
    let next = 0;
    const line = async (): Promise<void> => {
      do {
        const name = `w${number}x${next++}z`;
        await playWorld(new World(name, random.fork(name).integer(1, 2 ** 31), stage, plan), stage, outcome, wanted);
      } while (Date.now() < end);
    };
    await Promise.all(Array.from({ length: plan.parallel }, line));
    over.abort();
    await Promise.all(around);
  } finally {
    over.abort();
    await stage.close();
  }
}

async function playWorld(
  world: World,
  stage: Stage,
  outcome: Outcome,
  { onViolation, onWrong }: Wanted,
): Promise<void> {
  const { history, verdict } = await world.play();
  outcome.worlds++;
  if (verdict.violations.length > 0) {
    outcome.wrong++;
    onWrong?.(world.name, writeLedger(history, stage.deeds));
  }
  outcome.counts = addCounts(outcome.counts, verdict.counts);
  for (const violation of verdict.violations) {
    outcome.violations[violation.kind] = (outcome.violations[violation.kind] ?? 0) + 1;
    onViolation?.(describe(violation, history, stage.deeds), violation);
  }
}
