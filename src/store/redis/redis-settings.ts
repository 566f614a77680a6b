import { randomBytes, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Retention } from '../../backlog/backlog.ts';
import {
  type Agreement,
  type Difference,
  differences,
  formatRules,
  parseRules,
  retentionOf,
  type SharedSettings,
} from '../settings.ts';
import { callFunction } from './functions.ts';
import type { Parts } from './parts.ts';

/** How often a gateway reports its configuration (ms), and how long a report counts if no other follows. */
const AGAIN = 2800;
const COUNTS = 10_000;

type Answer = [
  version: string,
  length: string,
  ttl: string,
  rules: string,
  max: string,
  asked: string | null,
  recorded: string,
  // Not from a library before version 16.
  collections?: string,
];

export interface RedisSettingsOptions extends Pick<Parts, 'keys' | 'names' | 'logger'> {
  commands: Redis;
  /** The configuration of this gateway. */
  own: SharedSettings;
  /** The most unsent bytes of a stream of this gateway. */
  maxBuffer?: number | undefined;
}

/**
 * The settings that are the same for all gateways: reports the configuration of this one, and uses the settings in effect for all
 * of them (lua/settings.lua has the rule).
 */
export class RedisSettings implements Agreement {
  readonly #options: RedisSettingsOptions;
  readonly #own: SharedSettings;
  readonly #name = randomUUID();
  #current: SharedSettings;
  #retention: (channel: string) => Retention;
  #version = 0;
  #saidAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  /** By variable: the value of the installation that was logged last. */
  readonly #logged = new Map<string, string>();

  constructor(options: RedisSettingsOptions) {
    this.#options = options;
    this.#own = options.own;
    this.#current = options.own;
    this.#retention = retentionOf(options.own.backlog);
  }

  /** The settings in effect. */
  get current(): SharedSettings {
    return this.#current;
  }

  get version(): number {
    return this.#version;
  }

  get differences(): Difference[] {
    return this.#version === 0 ? [] : differences(this.#own, this.#current);
  }

  get problems(): string[] {
    const problems: string[] = [];
    const { maxMessage } = this.#current;
    const { names, maxBuffer = Number.POSITIVE_INFINITY } = this.#options;
    const unrecorded = this.#own.rawChannels.filter((pattern) => !names.asked.includes(pattern));
    if (unrecorded.length > 0) {
      problems.push(
        `plain channels ${unrecorded.join(' ')} are not recorded: expected SISYPHUS_RAW_CHANNELS to be the same for all gateways`,
      );
    }
    if (maxMessage > maxBuffer) {
      problems.push(
        `messages of up to ${maxMessage} bytes may be published: expected a SISYPHUS_MAX_BUFFER of as many, not ${maxBuffer}`,
      );
    }
    return problems;
  }

  /** How much of a channel is kept, by the settings in effect. */
  retention(channel: string): Retention {
    return this.#retention(channel);
  }

  get isDue(): boolean {
    return performance.now() - this.#saidAt > AGAIN;
  }

  /** Reports this gateway's configuration: at each connection, again and again, and if the store has lost its memory. */
  async say(): Promise<void> {
    this.#saidAt = performance.now();
    this.#isAsking = true;
    const { commands, keys, names } = this.#options;
    const { backlog, maxMessage, rawChannels, collections } = this.#own;
    const kept = [backlog.length, backlog.ttl, formatRules(backlog.rules), maxMessage];
    const args = [
      ...kept,
      keys.database,
      names.prefix,
      rawChannels.join(' '),
      this.#name,
      COUNTS,
      randomBytes(32).toString('hex'),
      collections,
    ];
    try {
      this.#adopt((await callFunction(commands, keys, 'sisyphus_configure', args)) as Answer);
    } finally {
      this.#isAsking = false;
    }
  }

  /** Whether this gateway has to read the settings in effect, because those of the store have this version. */
  isOutdated(version: number): boolean {
    return version !== this.#version && this.#version > 0 && !this.#isAsking;
  }

  /** Withdraws this gateway's configuration. */
  async leave(): Promise<void> {
    const { commands, keys } = this.#options;
    if (commands.status !== 'ready') return;
    // If this fails, the last report counts for a few seconds more.
    await callFunction(commands, keys, 'sisyphus_leave', [this.#name, COUNTS]).catch(() => undefined);
  }

  #adopt([version, length, ttl, rules, max, asked, recorded, collections = '{}']: Answer): void {
    const counted = recorded.split(' ').filter((word) => word !== '' && !word.startsWith('prefix='));
    const wanted = (asked ?? '').split(' ').filter(Boolean);
    const backlog = { length: Number(length), ttl: Number(ttl), rules: parseRules(rules) };
    const before = this.#version > 0 ? this.#current : undefined;
    this.#version = Number(version);
    this.#current = { backlog, maxMessage: Number(max), rawChannels: wanted, collections };
    this.#retention = retentionOf(backlog);
    this.#options.names.adopt(counted.length > 0 ? counted : wanted);
    if (before) this.#logChanges(differences(before, this.#current));
    this.#logDifferences();
  }

  #logChanges(changes: Difference[]): void {
    for (const { variable, here: before, installation: now } of changes) {
      this.#options.logger.info({ event: 'settings_changed', variable, before, now, version: this.#version });
    }
  }

  /** Logs each difference, once for each value of the installation. */
  #logDifferences(): void {
    const differing = this.differences;
    for (const { variable, here, installation } of differing) {
      if (this.#logged.get(variable) === installation) continue;
      this.#logged.set(variable, installation);
      const expected = 'expected the same for all gateways: while any gateway lives that is configured otherwise';
      const what =
        variable === 'SISYPHUS_RAW_CHANNELS' ? 'what any of them asks for counts' : 'the latest deploy counts';
      const fields = { event: 'settings_differ', variable, here, installation, version: this.#version };
      this.#options.logger.warn(fields, `${variable}=${here} here, and ${installation} counts; ${expected}, ${what}`);
    }
    for (const variable of this.#logged.keys()) {
      if (!differing.some((one) => one.variable === variable)) this.#logged.delete(variable);
    }
  }
}
