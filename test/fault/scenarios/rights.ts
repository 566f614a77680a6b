import { play } from '../../worlds/play.ts';
import type { Scenario } from '../scenario.ts';

/** Violations that are told at length. */
const SHOWN = 3;

export const rightsThroughTime: Scenario = {
  name: 'rights-through-time',
  sentence:
    'judges every message by the rights at its own place in Redis’s order, whatever is read meanwhile (random worlds)',
  seconds: { short: 6, long: 60 },
  async run({ seed, seconds }) {
    const wrong: string[] = [];
    // What fails besides is tried by the other scenarios, and by longer worlds.
    const { worlds, counts, violations } = await play({
      seed,
      seconds,
      plan: { faults: [] },
      onViolation: (text) => wrong.push(text),
    });
    const { published, deliveries, owed, forbidden, either, resets, streams } = counts;
    const kinds = Object.entries(violations).map(([kind, count]) => `${kind}: ${count}`);
    const failures = wrong.length > 0 ? [kinds.join(', '), ...wrong.slice(0, SHOWN)] : [];
    const { lost = 0 } = violations;
    const verdict = {
      violations: [],
      published,
      messages: published,
      deliveries,
      lost,
      lostShare: lost / owed,
      resets,
      streams,
    };
    return { verdict, failures, figures: { worlds, owed, forbidden, either } };
  },
};
