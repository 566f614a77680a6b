import type { Retention } from '../backlog/backlog.ts';
import { compileGlob, firstMatch } from '../glob.ts';

/** What must be the same for all gateways of an installation. Durations in milliseconds, sizes in bytes. */
export interface SharedSettings {
  backlog: Retention & { rules: { pattern: string; length: number }[] };
  maxMessage: number;
  /** Of plain channels that are recorded. */
  rawChannels: readonly string[];
}

/** How one setting of this gateway differs from that of the installation. */
export interface Difference {
  variable: string;
  here: string;
  installation: string;
}

/** What the gateways of an installation have agreed on, as one of them sees it. */
export interface Agreement {
  /** Raised with each change; 0 until the store has answered. */
  readonly version: number;
  /** Where this gateway is configured otherwise; what counts is `installation`. */
  readonly differences: Difference[];
  /** What this gateway cannot keep of its promises because of that, and what would be right. */
  readonly problems: string[];
}

/** What is kept of a channel: the first rule that fits, or what is kept of any. */
export function retentionOf({ length, ttl, rules }: SharedSettings['backlog']): (channel: string) => Retention {
  const compiled = rules.map((rule) => ({
    glob: compileGlob(rule.pattern),
    retention: { length: rule.length, ttl },
  }));
  return (channel) => firstMatch(compiled, channel)?.retention ?? { length, ttl };
}

export function formatRules(rules: SharedSettings['backlog']['rules']): string {
  return rules.map(({ pattern, length }) => `${pattern}=${length}`).join(' ');
}

/** As `formatRules` writes them; what is no rule is left out. */
export function parseRules(text: string): SharedSettings['backlog']['rules'] {
  return text.split(' ').flatMap((rule) => {
    const [, pattern, length] = /^(.+)=(\d+)$/.exec(rule) ?? [];
    return pattern === undefined ? [] : [{ pattern, length: Number(length) }];
  });
}

/** As they are written in the environment. */
export function differences(here: SharedSettings, installation: SharedSettings): Difference[] {
  const [mine, theirs] = [here, installation].map(texts) as [Record<string, string>, Record<string, string>];
  return Object.keys(mine)
    .filter((variable) => mine[variable] !== theirs[variable])
    .map((variable) => ({ variable, here: mine[variable]!, installation: theirs[variable]! }));
}

function texts({ backlog, maxMessage, rawChannels }: SharedSettings): Record<string, string> {
  return {
    SISYPHUS_BACKLOG_LENGTH: String(backlog.length),
    SISYPHUS_BACKLOG_TTL: `${backlog.ttl}ms`,
    SISYPHUS_BACKLOG_RULES: formatRules(backlog.rules).replaceAll(' ', ','),
    SISYPHUS_MAX_MESSAGE: `${maxMessage}B`,
    SISYPHUS_RAW_CHANNELS: [...rawChannels].sort().join(','),
  };
}
