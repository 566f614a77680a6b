import type { Fleet } from '../backlog/fleet-limit.ts';

/**
 * A fleet is uneven if a gateway has more than so many times the mean, or another one less than the mean divided by it: of eight gateways,
 * the seven old ones have 1.14 times the mean when one is added. What has begun goes on until the fleet is even by the second number.
 */
const BEGIN = 1.2;
const END = 1.05;
/** With fewer streams than this on average nothing is moved: a few streams more are no load, and a few percent of them are none. */
const LEAST_MEAN = 50;
/** For how long a gateway must have had too many (ms), before it begins: not in the moment in which everybody comes back. */
const CALM = 3000;
/**
 * Streams go at the pace at which all of them would go in so long (ms). A balancer that sends to each gateway in turn sends most of them back
 * to gateways that have enough, and the share of the new one has come only when everybody has moved once.
 */
const PERIOD = 40_000;
/** Streams that were sent away so recently (ms) may be on their way, and are part of the mean. */
const AWAY = 4000;
/** If as many were sent away as there were and it is no better, the balancer sends them back, and nothing is moved for a while (ms). */
const PAUSE = 600_000;

interface Episode {
  /** How many streams the process had at its beginning. */
  own: number;
  /** How many may still be sent away. */
  left: number;
  /** Up to when streams were sent away (ms). */
  at: number;
}

export interface RebalancerOptions {
  /** The time by a monotonic clock (ms). */
  now: () => number;
  /** Called once with the streams that were sent away, if they came back instead of going to other gateways. */
  onVain: (moved: number) => void;
}

/**
 * Decides how many streams a gateway sends elsewhere, so that one that was added or came back gets its share.
 *
 * Gateways decide alone. It cannot swing: a gateway sends away only while it has more than the mean of what all have, those on their way
 * included, and one that is below the mean never sends any. Of a gateway with several workers each decides for the streams that it has itself:
 * by what all of them have together, which each knows, so that all come to the same answer.
 */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  #tooManySince: number | undefined;
  #episode: Episode | undefined;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #away: { at: number; count: number }[] = [];

  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  /** @returns how many of the `held` streams of this process are to be sent elsewhere now. To be called every second or more often. */
  step(held: number, { gateways, streams, least, own }: Fleet): number {
    const now = this.#options.now();
    // What the fleet knows is some moments old.
    const part = Math.min(1, held / Math.max(own, 1));
    this.#away = this.#away.filter(({ at }) => now - at < AWAY);
    const away = this.#away.reduce((sum, { count }) => sum + count, 0);
    const mean = (streams + away) / Math.max(gateways, 1);
    const factor = this.#episode ? END : BEGIN;
    const isUneven = own > factor * mean || least < mean / factor;
    if (gateways < 2 || mean < LEAST_MEAN || own <= mean || !isUneven) {
      this.#episode = this.#tooManySince = undefined;
      return 0;
    }
    this.#tooManySince ??= now;
    if (now < this.#pausedUntil || now - this.#tooManySince < CALM) return 0;
    this.#episode ??= { own: held, left: held, at: now };
    return this.#send(this.#episode, (own - mean) * part, part, now);
  }

  /** `part`: how much of its gateway this process is. Other workers send away as much of theirs, so as many more are on their way. */
  #send(episode: Episode, surplus: number, part: number, now: number): number {
    const due = Math.floor((episode.own * (now - episode.at)) / PERIOD);
    const count = Math.min(due, Math.ceil(surplus), episode.left);
    if (due > 0) episode.at = now;
    episode.left -= count;
    if (count > 0) this.#away.push({ at: now, count: count / part });
    if (episode.left <= 0) {
      this.#pausedUntil = now + PAUSE;
      this.#episode = undefined;
      this.#options.onVain(episode.own);
    }
    return count;
  }
}
