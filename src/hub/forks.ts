import { setTimeout as wait } from 'node:timers/promises';
import { isAfter, type Position } from '../message/position.ts';
import { TESTIMONY } from '../patience.ts';
import { type ChannelSource, type Gap, type Mark, mayHaveLost } from './channel-source.ts';

const AGAIN = 50;

/** A mark in which no fork is awaited any more; where nobody has said what a fork has cost, it may have cost any channel a message. */
export async function settledMark(source: ChannelSource, channels: string[], current: () => boolean): Promise<Mark> {
  const until = performance.now() + TESTIMONY;
  for (;;) {
    const mark = await source.mark(channels);
    const awaited = mark.gaps.filter(({ extent }) => extent === 'awaited');
    if (awaited.length === 0 || !current()) return mark;
    if (performance.now() < until) await wait(AGAIN, undefined, { ref: false });
    else for (const fork of awaited) await source.reportLost(fork, 'all', []);
  }
}

/**
 * Where nobody who hears everything was there: if ids were given out behind the fork, as far as this gateway knows (`position`),
 * nobody can tell in which channels.
 */
export async function judgeUnheard(source: ChannelSource, forks: Gap[], position: Position): Promise<void> {
  for (const fork of forks) {
    if (fork.extent !== 'unheard' || !isAfter(position, fork.from)) continue;
    fork.extent = 'all';
    await source.reportLost(fork, 'all', []);
  }
}

/** Notes, also in the store, that these channels have lost a message in the fork. */
export async function addLost(source: ChannelSource, fork: Gap, channels: string[]): Promise<void> {
  const added = channels.filter((channel) => !mayHaveLost(fork, channel, false));
  if (added.length === 0) return;
  fork.lost.push(...added);
  await source.reportLost(fork, 'some', added);
}

/** Whether a fork that was known has meanwhile turned out to have cost this channel a message. */
export function hasTurnedOut(before: Gap, now: Gap, channel: string): boolean {
  if (now.extent === 'old') return false;
  return mayHaveLost(now, channel, false) && !mayHaveLost(before, channel, false);
}
