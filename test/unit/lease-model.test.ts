import { expect } from 'chai';
import { afterStep, copy, initially, isPossible, type State, type Step, take } from '../support/lease-model.ts';

const GATEWAYS = [0, 1];
const STEPS: Step[] = [
  { do: 'publish' },
  { do: 'run out' },
  { do: 'restart' },
  ...(['begin', 'keep', 'record', 'die', 'cut', 'stop', 'end'] as const).flatMap((what) =>
    GATEWAYS.map((who): Step => ({ do: what, who })),
  ),
];
/** Of a history. */
const LONGEST = 7;
const MOST: Record<string, number> = { publish: 2, 'run out': 2, restart: 1, begin: 3 };

/** Everything runs out, and a gateway comes that nobody expected: now it is known what is lost. */
function settled(state: State): State {
  const fresh = state.gateways.length;
  const world = copy(state);
  world.gateways.push(initially(1).gateways[0]!);
  const steps: Step[] = [];
  for (const who of GATEWAYS) if (state.gateways[who]!.isEnding) steps.push({ do: 'end', who });
  // Whoever lives has the first word, as standbys have.
  for (const who of GATEWAYS) steps.push({ do: 'keep', who }, { do: 'record', who });
  steps.push({ do: 'run out' });
  for (const who of GATEWAYS) steps.push({ do: 'keep', who }, { do: 'record', who }, { do: 'die', who });
  steps.push({ do: 'run out' }, { do: 'begin', who: fresh });
  // At first it waits for one that has heard more.
  steps.push({ do: 'keep', who: fresh }, { do: 'keep', who: fresh });
  for (const step of steps) if (isPossible(world, step)) take(world, step);
  return world;
}

/** Goes through every history of so many steps. */
function everyHistory(check: (end: State, steps: Step[]) => void): number {
  const seen = new Set<string>();
  let histories = 0;
  const go = (state: State, steps: Step[], made: Record<string, number>): void => {
    // Of two histories that lead to the same, with as many steps left, one is enough.
    const key = JSON.stringify([state, made, steps.length]);
    if (seen.has(key)) return;
    seen.add(key);
    histories++;
    check(settled(state), steps);
    if (steps.length === LONGEST) return;
    for (const step of STEPS) {
      if ((made[step.do] ?? 0) >= (MOST[step.do] ?? LONGEST) || !isPossible(state, step)) continue;
      go(afterStep(state, step), [...steps, step], { ...made, [step.do]: (made[step.do] ?? 0) + 1 });
    }
  };
  go(initially(GATEWAYS.length), [], {});
  return histories;
}

const told = (steps: Step[]) => steps.map((step) => ('who' in step ? `${step.do} ${step.who}` : step.do)).join(', ');

describe('the lease of the recorder, in every history of two gateways', function () {
  this.timeout(60_000);
  this.slow(20_000);

  it('has each plain message recorded once, or a gap written behind it; and no gap where nothing is lost', () => {
    const histories = everyHistory(({ published, recorded, forgotten, gaps, begunAt }, steps) => {
      const where = told(steps);
      if (new Set(recorded).size !== recorded.length) expect.fail(`recorded twice: ${where}`);
      const lost = published.filter(({ name }) => !recorded.includes(name));
      for (const { name, place } of lost) {
        // Before anybody ever recorded, nobody could have missed it.
        if (gaps.some((gap) => gap > place) || forgotten.includes(name) || begunAt === undefined || place <= begunAt)
          continue;
        expect.fail(`message ${name} is lost without a gap: ${where}`);
      }
      if (gaps.length > 0 && lost.length === 0 && !steps.some((step) => step.do === 'restart')) {
        expect.fail(`a gap, and nothing is lost: ${where}`);
      }
    });
    expect(histories).to.be.above(10_000);
  });
});
