import { compileGlob, firstMatch } from '../../glob.ts';

/** Of a description: the driver's prefix. No pattern has a `=` behind this word. */
const PREFIX = 'prefix=';

/**
 * What the application calls its channels when it publishes plainly. Where a driver puts a prefix before the names of keys, some put
 * it before the channel of a PUBLISH too (phpredis), and others do not (ioredis): a name with the prefix and the same name
 * without it are one channel.
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

  /** As `description` says. */
  static parse(description: string): PlainNames {
    const words = description.split(' ').filter((word) => word !== '');
    const prefix = words.find((word) => word.startsWith(PREFIX))?.slice(PREFIX.length) ?? '';
    return new PlainNames(
      words.filter((word) => !word.startsWith(PREFIX)),
      prefix,
    );
  }

  /** These patterns from now on. */
  adopt(patterns: readonly string[]): void {
    const asked = [...new Set(patterns)].sort();
    if (this.#globs.length > 0 && asked.join(' ') === this.#asked.join(' ')) return;
    this.#asked = asked;
    // A pattern that begins with a star matches the names with the prefix as well.
    const others = this.#asked.filter((pattern) => !pattern.startsWith('*') && !pattern.startsWith(this.prefix));
    this.#patterns = [...this.#asked, ...others.map((pattern) => this.prefix + pattern)];
    this.#globs = this.#patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
  }

  /** Without the driver's prefix, in one order. */
  get asked(): readonly string[] {
    return this.#asked;
  }

  /** To PSUBSCRIBE. A name that several of them match is heard several times, and counts with the first. */
  get patterns(): readonly string[] {
    return this.#patterns;
  }

  /** Gateways that differ in it do not record the same. */
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
