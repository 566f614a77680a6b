import type { Random } from '../fault/random.ts';

/** How far Redis is from the first gateway. `hub behind`: it hears later; `records late`: it records later. */
export const DISTANCES = ['near', 'far', 'hub behind', 'records late'] as const;
export type Distance = (typeof DISTANCES)[number];

export const FAULTS = [
  'cut a connection',
  'cut the hubs',
  'cut the recorders',
  'cut the commands',
  'cut all that hear',
  'kill a gateway',
  'kill all gateways',
  'restart a gateway',
  'restart all gateways',
  'stop a gateway',
  'stop redis',
] as const;
export type Fault = (typeof FAULTS)[number];

export const WAYS = ['plain', 'fcall', 'http', 'batch'] as const;
export type Way = (typeof WAYS)[number];

/** Ways to change a right: the list and a plain PUBLISH or another message behind it; one step; or nothing but the list. */
export const CHANGES = [
  'plain',
  'plain, told by script',
  'transaction',
  'fcall',
  'http',
  'untold',
  'rewritten',
] as const;
export type ChangeWay = (typeof CHANGES)[number];

/** Short sequences in which rights and messages meet as they seldom do by chance. */
export const STORIES = [
  'connects at a grant',
  'revoked and granted again',
  'granted and revoked again',
  'read at a revocation',
  'untold and connects',
  'follows another user',
  'a crowd on the own channel',
] as const;
export type Story = (typeof STORIES)[number];

/** What may happen on a stage. */
export interface Plan {
  gateways: number;
  distance: Distance;
  faults: readonly Fault[];
  ways: readonly Way[];
  changes: readonly ChangeWay[];
  stories: readonly Story[];
  /** Streams that drop and come back, or are opened anew, in the midst of it. */
  drops: boolean;
  /** Some of them begin at the very beginning (`since=0`). */
  beginning: boolean;
  /** Publishes a second that are none of the application's messages. */
  noise: number;
  /** Worlds that play at the same time. */
  parallel: number;
  env: Record<string, string>;
}

/** What may be left out of plans that are drawn. */
export type Limits = Partial<Pick<Plan, 'ways' | 'changes' | 'stories' | 'drops' | 'beginning'>> & {
  distances?: readonly Distance[];
  faults?: readonly Fault[];
};

/** Another stage each time: every second one without faults, where nothing excuses a loss or a wait. */
export function drawPlan(random: Random, limits: Limits = {}): Plan {
  const faults = limits.faults ?? FAULTS;
  const calm = faults.length === 0 || random.chance(0.5);
  return {
    gateways: random.pick([1, 2, 2, 3]),
    distance: random.pick(limits.distances ?? DISTANCES),
    faults: calm ? [] : random.sample(faults, random.integer(1, 4)),
    ways: limits.ways ?? WAYS,
    changes: limits.changes ?? CHANGES,
    stories: limits.stories ?? STORIES,
    drops: limits.drops ?? true,
    beginning: limits.beginning ?? true,
    // In the moment of a hole, what others publish counts as lost: that is said in the limits of docs/why/guarantees.md.
    noise: calm ? random.pick([0, 0, 20]) : 0,
    parallel: 8,
    env: {},
  };
}

/** A part of what can be drawn. */
export interface Part {
  what: string;
  limits: Limits;
  plan: Partial<Plan>;
}

/** All of it: the short form tries this. */
export const EVERYTHING: readonly Part[] = [
  { what: 'whatever is drawn, while nothing fails', limits: {}, plan: { faults: [], gateways: 2 } },
  { what: 'whatever is drawn, while things fail', limits: {}, plan: { faults: FAULTS, gateways: 2 } },
];
