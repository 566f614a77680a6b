/** A compiled pattern: whether a name matches it. */
export type Glob = (name: string) => boolean;

/** One step of a pattern: a test of one character, or `undefined` for `*`. */
type Step = ((code: number) => boolean) | undefined;

/**
 * Compiles a pattern of PSUBSCRIBE: `*`, `?`, `[a-z]`, `[^a]`, `\x`. Names are ASCII, so comparing characters equals Redis's bytes.
 * The Lua side is store/redis/lua/glob.lua.
 *
 * Matching goes back only to the last `*`, so for any pattern the time is at most the product of both lengths. A regular expression
 * would take exponential time for `a*a*a*a*b`.
 */
export function compileGlob(pattern: string): Glob {
  const steps = toSteps(pattern);
  return (name) => matches(steps, name);
}

/** The first entry with a pattern that the name matches. */
export function firstMatch<T extends { glob: Glob }>(entries: readonly T[], name: string): T | undefined {
  return entries.find(({ glob }) => glob(name));
}

function matches(steps: readonly Step[], name: string): boolean {
  let step = 0;
  let star = -1;
  let retry = 0;
  for (let at = 0; at < name.length; ) {
    const fits = step < steps.length ? steps[step] : () => false;
    if (fits === undefined) {
      star = step;
      step += 1;
      retry = at;
    } else if (fits(name.charCodeAt(at))) {
      step += 1;
      at += 1;
    } else if (star >= 0) {
      // Let the last star take one more character. Earlier stars need not be tried again.
      step = star + 1;
      retry += 1;
      at = retry;
    } else {
      return false;
    }
  }
  while (step < steps.length && steps[step] === undefined) step += 1;
  return step === steps.length;
}

function toSteps(pattern: string): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < pattern.length; ) {
    const character = pattern[at];
    if (character === '*') {
      if (steps.length === 0 || steps.at(-1) !== undefined) steps.push(undefined);
      at += 1;
    } else if (character === '?') {
      steps.push(() => true);
      at += 1;
    } else if (character === '[') {
      const set = toSet(pattern, at + 1);
      steps.push(set.fits);
      at = set.end;
    } else {
      // A backslash at the end of the pattern stands for itself.
      if (character === '\\' && at + 1 < pattern.length) at += 1;
      const code = pattern.charCodeAt(at);
      steps.push((other) => other === code);
      at += 1;
    }
  }
  return steps;
}

/** Whether a pattern has a set that is not closed: Redis accepts it, but it is a slip. */
export function hasOpenSet(pattern: string): boolean {
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === '\\') at += 1;
    else if (pattern[at] === '[') {
      at = toSet(pattern, at + 1).end - 1;
      if (at >= pattern.length) return true;
    }
  }
  return false;
}

/**
 * Compiles a set as Redis does: a set that is not closed ends with the pattern, `[]` matches nothing, `[z-a]` is `[a-z]`.
 *
 * @param start the index after `[`
 * @returns the index after `]` as `end`
 */
function toSet(pattern: string, start: number): { fits: (code: number) => boolean; end: number } {
  const isNegated = pattern[start] === '^';
  const ranges: [number, number][] = [];
  let at = isNegated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== ']') {
    if (pattern[at] === '\\' && at + 1 < pattern.length) {
      ranges.push([pattern.charCodeAt(at + 1), pattern.charCodeAt(at + 1)]);
      at += 2;
    } else if (pattern[at + 1] === '-' && at + 2 < pattern.length) {
      const [a, b] = [pattern.charCodeAt(at), pattern.charCodeAt(at + 2)];
      ranges.push(a < b ? [a, b] : [b, a]);
      at += 3;
    } else {
      ranges.push([pattern.charCodeAt(at), pattern.charCodeAt(at)]);
      at += 1;
    }
  }
  const isIn = (code: number) => ranges.some(([low, high]) => code >= low && code <= high);
  return { fits: isNegated ? (code) => !isIn(code) : isIn, end: at + 1 };
}
