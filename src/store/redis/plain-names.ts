import { compileGlob, firstMatch } from '../../glob.ts';

/** Begins the word for the driver's prefix in a description. No pattern begins so. */
const PREFIX = 'prefix=';

/**
 * The names by which the application publishes plainly on its channels. If a driver puts a prefix before the names of keys, it may
 * put it before the channel of a PUBLISH too (phpredis), or not (ioredis): a name with the prefix and the same name without it
 * are one channel.
 */
export class PlainNames {
  readonly prefix: string;
  #asked: string[] = [];
  #patterns: string[] = [];
  #globs: { pattern: string; glob: (name: string) => boolean }[] = [];

  constructor(patterns: string[], prefix: string) {
    this.prefix = prefix;
    this.adopt(patterns);
  }

  /** Parses a text that `description` has returned. */
  static parse(description: string): PlainNames {
    const words = description.split(' ').filter((word) => word !== '');
    const prefix = words.find((word) => word.startsWith(PREFIX))?.slice(PREFIX.length) ?? '';
    return new PlainNames(
      words.filter((word) => !word.startsWith(PREFIX)),
      prefix,
    );
  }

  /** Uses these patterns from now on. */
  adopt(patterns: readonly string[]): void {
    const asked = [...new Set(patterns)].sort();
    if (this.#globs.length > 0 && asked.join(' ') === this.#asked.join(' ')) return;
    this.#asked = asked;
    // A pattern that begins with a star matches names with the prefix as well, so it needs no second pattern.
    const others = this.#asked.filter((pattern) => !pattern.startsWith('*') && !pattern.startsWith(this.prefix));
    this.#patterns = [...this.#asked, ...others.map((pattern) => this.prefix + pattern)];
    this.#globs = this.#patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
  }

  /** The patterns as configured, without those added for the driver's prefix; sorted. */
  get asked(): readonly string[] {
    return this.#asked;
  }

  /** The patterns to PSUBSCRIBE. If several match a name, its messages are received several times, and count with the first. */
  get patterns(): readonly string[] {
    return this.#patterns;
  }

  /** Patterns and prefix as a text: gateways with different descriptions do not record the same. */
  get description(): string {
    return [...this.#asked, ...(this.prefix === '' ? [] : [PREFIX + this.prefix])].join(' ');
  }

  patternOf(name: string): string | undefined {
    return firstMatch(this.#globs, name)?.pattern;
  }

  channelOf(name: string): string {
    return name.startsWith(this.prefix) ? name.slice(this.prefix.length) : name;
  }

  /** Whether plain PUBLISHes on the channel are recorded. */
  record(channel: string): boolean {
    return this.#candidates(channel).some((name) => this.patternOf(name) !== undefined);
  }

  /** The names by which the application may publish on the channel: those that are recorded, or all if none is. */
  namesOf(channel: string): string[] {
    const names = this.#candidates(channel);
    const recorded = names.filter((name) => this.patternOf(name) !== undefined);
    return recorded.length > 0 ? recorded : names;
  }

  #candidates(channel: string): string[] {
    return this.prefix === '' ? [channel] : [channel, this.prefix + channel];
  }
}
