import { compileGlob, firstMatch } from '../../glob.ts';
import { PlainNames } from './plain-names.ts';

/** From when more channels are asked for until they are recorded (ms): others that hear subscribe them meanwhile. */
const WIDEN_AFTER = 150;
/** From when fewer are asked for until they are no longer recorded (ms): who has asked for them may only have been away. */
const NARROW_AFTER = 5000;

/**
 * Which plain channels the recorder's connection hears, and by which patterns places are counted on it. All who hear must count by
 * the same ones: they change at an anchor of the owner of the lease, which everybody hears in its place.
 */
export class HeardPatterns {
  readonly #now: () => number;
  readonly #prefix: string;
  #counted: PlainNames;
  /** What gateways ask for, and since when (ms). */
  #wanted: PlainNames;
  #wantedSince = Number.NEGATIVE_INFINITY;
  /** Subscribed, in this order. */
  #heard: { pattern: string; glob: (name: string) => boolean }[] = [];

  /** @param own those that this gateway is configured with: they count until the store says something else */
  constructor(own: PlainNames, now: () => number = performance.now.bind(performance)) {
    this.#now = now;
    this.#prefix = own.prefix;
    this.#counted = PlainNames.parse(own.description);
    this.#wanted = this.#counted;
  }

  /** By which places are counted. */
  get counted(): PlainNames {
    return this.#counted;
  }

  /** What was answered: `counted` is empty, and `wanted` is `-`, where the store knows nothing of it. */
  learn(counted: string, wanted: string, isHearing: boolean): void {
    // Who hears already goes by what it hears.
    if (!isHearing && counted !== '') this.#counted = PlainNames.parse(counted);
    if (wanted === '-' || wanted === this.#wanted.asked.join(' ')) return;
    this.#wanted = new PlainNames(wanted.split(' ').filter(Boolean), this.#prefix);
    this.#wantedSince = this.#now();
  }

  /** Everything that is to be subscribed when hearing begins, and what has been until now and need not be any more. */
  begin(): { hear: string[]; forget: string[] } {
    const forget = this.takeSuperfluous();
    this.#heard = [];
    return { hear: this.hear([...new Set([...this.#counted.patterns, ...this.#wanted.patterns])]), forget };
  }

  /** The connection is gone, and with it every subscription. */
  end(): void {
    this.#heard = [];
  }

  /** These are subscribed, too. */
  hear(patterns: string[]): string[] {
    this.#heard.push(...patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) })));
    return patterns;
  }

  /** What has to be subscribed besides. */
  missing(): string[] {
    return this.#wanted.patterns.filter((pattern) => !this.#hears(pattern));
  }

  /** What need not be heard any more; it counts as not subscribed from now on. */
  takeSuperfluous(): string[] {
    const needed = new Set([...this.#counted.patterns, ...this.#wanted.patterns]);
    const superfluous = this.#heard.filter(({ pattern }) => !needed.has(pattern));
    this.#heard = this.#heard.filter(({ pattern }) => needed.has(pattern));
    return superfluous.map(({ pattern }) => pattern);
  }

  /** Whether this is the first time that the name was heard, and it is counted. */
  accepts(pattern: string, name: string): boolean {
    return firstMatch(this.#heard, name)?.pattern === pattern && this.#counted.patternOf(name) !== undefined;
  }

  /** By which patterns the owner of the lease should have places counted from now on, if not by the same. */
  next(): string | undefined {
    const [counted, wanted] = [this.#counted.asked, this.#wanted.asked];
    const since = this.#now() - this.#wantedSince;
    if (this.missing().length > 0 || counted.join(' ') === wanted.join(' ')) return undefined;
    const isWider = wanted.some((pattern) => !counted.includes(pattern));
    if (since < (isWider ? WIDEN_AFTER : NARROW_AFTER)) return undefined;
    return new PlainNames(isWider ? [...counted, ...wanted] : [...wanted], this.#prefix).description;
  }

  /**
   * An anchor says by which patterns places are counted behind it. `stale`: what was heard until now was counted by others, or
   * not all of it was heard, so that hearing has to begin anew.
   */
  anchored(description: string, isSwitch: boolean): 'same' | 'switched' | 'stale' {
    if (description === '' || description === this.#counted.description) return 'same';
    this.#counted = PlainNames.parse(description);
    return isSwitch && this.#counted.patterns.every((pattern) => this.#hears(pattern)) ? 'switched' : 'stale';
  }

  #hears(pattern: string): boolean {
    return this.#heard.some((one) => one.pattern === pattern);
  }
}
