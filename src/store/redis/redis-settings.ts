import { randomUUID } from 'node:crypto';
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

/** How often a gateway says what it was configured with (ms), and for how long that counts where it says nothing more. */
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
];

export interface RedisSettingsOptions extends Pick<Parts, 'keys' | 'names' | 'logger'> {
  commands: Redis;
  /** As this gateway is configured. */
  own: SharedSettings;
  /** What a stream of this gateway may have unsent (bytes). */
  maxBuffer?: number | undefined;
}

/**
 * The settings that are one for all gateways: says what this one is configured with, and goes by what counts for all of them
 * (lua/settings.lua has the rule).
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
  /** What was logged last of each variable. */
  readonly #logged = new Map<string, string>();

  constructor(options: RedisSettingsOptions) {
    this.#options = options;
    this.#own = options.own;
    this.#current = options.own;
    this.#retention = retentionOf(options.own.backlog);
  }

  /** What counts now. */
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

  /** What is kept of a channel, as it counts now. */
  retention(channel: string): Retention {
    return this.#retention(channel);
  }

  get isDue(): boolean {
    return performance.now() - this.#saidAt > AGAIN;
  }

  /** Says what this gateway is configured with: at each connection, again and again, and when the store has lost its memory. */
  async say(): Promise<void> {
    this.#saidAt = performance.now();
    this.#isAsking = true;
    const { commands, keys, names } = this.#options;
    const { backlog, maxMessage, rawChannels } = this.#own;
    const kept = [backlog.length, backlog.ttl, formatRules(backlog.rules), maxMessage];
    const args = [...kept, keys.database, names.prefix, rawChannels.join(' '), this.#name, COUNTS];
    try {
      this.#adopt((await callFunction(commands, keys, 'sisyphus_configure', args)) as Answer);
    } finally {
      this.#isAsking = false;
    }
  }

  /** Whether it has to ask what counts, because the store has settings of this version. */
  isOutdated(version: number): boolean {
    return version !== this.#version && this.#version > 0 && !this.#isAsking;
  }

  /** What this gateway was configured with counts no longer. */
  async leave(): Promise<void> {
    const { commands, keys } = this.#options;
    if (commands.status !== 'ready') return;
    // Then it counts no longer in a few seconds.
    await callFunction(commands, keys, 'sisyphus_leave', [this.#name, COUNTS]).catch(() => undefined);
  }

  #adopt([version, length, ttl, rules, max, asked, recorded]: Answer): void {
    const counted = recorded.split(' ').filter((word) => word !== '' && !word.startsWith('prefix='));
    const wanted = (asked ?? '').split(' ').filter(Boolean);
    const backlog = { length: Number(length), ttl: Number(ttl), rules: parseRules(rules) };
    const before = this.#version > 0 ? this.#current : undefined;
    this.#version = Number(version);
    this.#current = { backlog, maxMessage: Number(max), rawChannels: wanted };
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

  /** Once for each value. */
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
