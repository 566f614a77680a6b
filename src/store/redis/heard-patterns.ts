import { compileGlob, firstMatch } from '../../glob.ts';
import { PlainNames } from './plain-names.ts';

/** How long more patterns are requested before they are recorded (ms): the other recorders subscribe to them meanwhile. */
const WIDEN_AFTER = 150;
/** How long fewer patterns are requested before the rest is dropped (ms): a gateway that requested them may only have been away. */
const NARROW_AFTER = 5000;

/**
 * The patterns that the recorder's connection is subscribed to, and the patterns by which it counts places. All recorders must
 * count by the same patterns: these change at an anchor of the owner of the lease, which every recorder receives at the same place.
 */
export class HeardPatterns {
  readonly #now: () => number;
  readonly #prefix: string;
  #counted: PlainNames;
  /** The patterns that gateways request, and since when (ms). */
  #wanted: PlainNames;
  #wantedSince = Number.NEGATIVE_INFINITY;
  /** The patterns that are subscribed, in the order of their subscription. */
  #heard: { pattern: string; glob: (name: string) => boolean }[] = [];

  /** @param own the patterns that this gateway is configured with: they count until the store answers others */
  constructor(own: PlainNames, now: () => number = performance.now.bind(performance)) {
    this.#now = now;
    this.#prefix = own.prefix;
    this.#counted = PlainNames.parse(own.description);
    this.#wanted = this.#counted;
  }

  /** The patterns by which places are counted. */
  get counted(): PlainNames {
    return this.#counted;
  }

  /** Takes the answer of the store: `counted` is empty, and `wanted` is `-`, if the store does not know them. */
  learn(counted: string, wanted: string, isHearing: boolean): void {
    // A recorder that is subscribed already follows the anchors that it receives.
    if (!isHearing && counted !== '') this.#counted = PlainNames.parse(counted);
    if (wanted === '-' || wanted === this.#wanted.asked.join(' ')) return;
    this.#wanted = new PlainNames(wanted.split(' ').filter(Boolean), this.#prefix);
    this.#wantedSince = this.#now();
  }

  /** When listening begins: the patterns to subscribe, and those that have been subscribed and are no longer needed. */
  begin(): { hear: string[]; forget: string[] } {
    const forget = this.takeSuperfluous();
    this.#heard = [];
    return { hear: this.hear([...new Set([...this.#counted.patterns, ...this.#wanted.patterns])]), forget };
  }

  /** The connection is gone, and with it every subscription. */
  end(): void {
    this.#heard = [];
  }

  /** Notes that these patterns are subscribed, too; answers them. */
  hear(patterns: string[]): string[] {
    this.#heard.push(...patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) })));
    return patterns;
  }

  /** The requested patterns that are not subscribed yet. */
  missing(): string[] {
    return this.#wanted.patterns.filter((pattern) => !this.#hears(pattern));
  }

  /** The subscribed patterns that are no longer needed; they count as not subscribed from now on. */
  takeSuperfluous(): string[] {
    const needed = new Set([...this.#counted.patterns, ...this.#wanted.patterns]);
    const superfluous = this.#heard.filter(({ pattern }) => !needed.has(pattern));
    this.#heard = this.#heard.filter(({ pattern }) => needed.has(pattern));
    return superfluous.map(({ pattern }) => pattern);
  }

  /** Whether the name is counted, and `pattern` is the first that matches it: a message is received once for each that does. */
  accepts(pattern: string, name: string): boolean {
    return firstMatch(this.#heard, name)?.pattern === pattern && this.#counted.patternOf(name) !== undefined;
  }

  /** The patterns by which the owner of the lease should have places counted from now on; `undefined` if they stay the same. */
  next(): string | undefined {
    const [counted, wanted] = [this.#counted.asked, this.#wanted.asked];
    const since = this.#now() - this.#wantedSince;
    if (this.missing().length > 0 || counted.join(' ') === wanted.join(' ')) return undefined;
    const isWider = wanted.some((pattern) => !counted.includes(pattern));
    if (since < (isWider ? WIDEN_AFTER : NARROW_AFTER)) return undefined;
    return new PlainNames(isWider ? [...counted, ...wanted] : [...wanted], this.#prefix).description;
  }

  /**
   * Takes the patterns of an anchor, by which places are counted after it. `stale`: this recorder has counted by other patterns
   * until now, or is not subscribed to all of them, so that listening has to begin anew.
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
