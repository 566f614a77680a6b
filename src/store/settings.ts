import type { Retention } from '../backlog/backlog.ts';
import { compileGlob, firstMatch } from '../glob.ts';
import { userOfChannel } from '../message/names.ts';

/** The settings that must be the same for all gateways of an installation. Durations in milliseconds, sizes in bytes. */
export interface SharedSettings {
  backlog: Retention & { rules: { pattern: string; length: number }[] };
  maxMessage: number;
  /** Patterns of the plain channels that are recorded. */
  rawChannels: readonly string[];
  /** The collections, as `sharedCollections` writes them. */
  collections: string;
}

/** How one setting of this gateway differs from that of the installation. */
export interface Difference {
  variable: string;
  here: string;
  installation: string;
}

/** The settings that the gateways of an installation have agreed on, as this gateway knows them. */
export interface Agreement {
  /** Increases with each change; 0 until the store has answered. */
  readonly version: number;
  /** The settings in which this gateway is configured otherwise; the value of `installation` is in effect. */
  readonly differences: Difference[];
  /** The guarantees that this gateway cannot keep because of the differences, and what is expected instead. */
  readonly problems: string[];
}

/**
 * How much of a channel is kept: as the first rule that matches says, or else the default. A rule that keeps one message makes its
 * channels conflated, except those of users: their messages tell of changes of the list one by one.
 */
export function retentionOf({ length, ttl, rules }: SharedSettings['backlog']): (channel: string) => Retention {
  const compiled = rules.map((rule) => ({
    glob: compileGlob(rule.pattern),
    kept: { length: rule.length, ttl },
    conflated: { length: rule.length, ttl, isConflated: rule.length === 1 },
  }));
  return (channel) => {
    const rule = firstMatch(compiled, channel);
    if (!rule) return { length, ttl };
    return userOfChannel(channel) === undefined ? rule.conflated : rule.kept;
  };
}

export function formatRules(rules: SharedSettings['backlog']['rules']): string {
  return rules.map(({ pattern, length }) => `${pattern}=${length}`).join(' ');
}

/** Parses what `formatRules` writes; words that are no rules are left out. */
export function parseRules(text: string): SharedSettings['backlog']['rules'] {
  return text.split(' ').flatMap((rule) => {
    const [, pattern, length] = /^(.+)=(\d+)$/.exec(rule) ?? [];
    return pattern === undefined ? [] : [{ pattern, length: Number(length) }];
  });
}

/** The settings that differ, with values as they are written in the environment. */
export function differences(here: SharedSettings, installation: SharedSettings): Difference[] {
  const [mine, theirs] = [here, installation].map(texts) as [Record<string, string>, Record<string, string>];
  return Object.keys(mine)
    .filter((variable) => mine[variable] !== theirs[variable])
    .map((variable) => ({ variable, here: mine[variable]!, installation: theirs[variable]! }));
}

function texts({ backlog, maxMessage, rawChannels, collections }: SharedSettings): Record<string, string> {
  return {
    SISYPHUS_BACKLOG_LENGTH: String(backlog.length),
    SISYPHUS_BACKLOG_TTL: `${backlog.ttl}ms`,
    SISYPHUS_BACKLOG_RULES: formatRules(backlog.rules).replaceAll(' ', ','),
    SISYPHUS_MAX_MESSAGE: `${maxMessage}B`,
    SISYPHUS_RAW_CHANNELS: [...rawChannels].sort().join(','),
    SISYPHUS_COLLECTIONS: collections,
  };
}
