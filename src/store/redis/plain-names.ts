import { compileGlob, firstMatch } from '../../glob.ts';

/**
 * What the application calls its channels when it publishes plainly. Where a driver puts a prefix before the names of keys, some put
 * it before the channel of a PUBLISH too (phpredis), and others do not (ioredis): a name with the prefix and the same name
 * without it are one channel.
 */
export class PlainNames {
  /** To PSUBSCRIBE. A name that several of them match is heard several times, and counts with the first. */
  readonly patterns: string[];
  readonly prefix: string;
  readonly #globs;

  constructor(patterns: string[], prefix: string) {
    // A pattern that begins with a star matches the names with the prefix as well.
    const others = patterns.filter((pattern) => !pattern.startsWith('*') && !pattern.startsWith(prefix));
    this.patterns = [...patterns, ...others.map((pattern) => prefix + pattern)];
    this.prefix = prefix;
    this.#globs = this.patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
  }

  /** Gateways that differ in it do not record the same. */
  get description(): string {
    return [...this.patterns, ...(this.prefix === '' ? [] : [`prefix=${this.prefix}`])].join(' ');
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
