import type { Result } from './scenario.ts';
import { groupBy } from './truth.ts';

const SHOWN = 4;

/** What a person needs to begin looking, or `undefined` where everything held. */
export function describeFailure({ verdict, failures }: Result): string | undefined {
  if (verdict.violations.length === 0 && failures.length === 0) return undefined;
  const lines = failures.map((failure) => `  - ${failure}`);
  for (const [rule, violations] of groupBy(verdict.violations, (violation) => violation.rule)) {
    lines.push(`  - ${rule}: ${violations.length}`);
    for (const { reader, at, what, near } of violations.slice(0, SHOWN)) {
      lines.push(`      ${reader ?? 'all'} at ${(at / 1000).toFixed(3)}: ${what}`);
      for (const action of near ?? []) lines.push(`        near: ${action}`);
    }
  }
  return lines.join('\n');
}
