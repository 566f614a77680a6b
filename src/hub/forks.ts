import { setTimeout as wait } from 'node:timers/promises';
import { isAfter, type Position } from '../message/position.ts';
import { TESTIMONY } from '../patience.ts';
import { type ChannelSource, type Gap, type Mark, mayHaveLost } from './channel-source.ts';

/** How long to wait before the mark is read again (ms). */
const AGAIN = 50;

/**
 * Reads a mark in which no fork is `awaited` any more. If no gateway has reported within `TESTIMONY` what was lost in a fork, any channel
 * may have lost a message in it (`all`).
 */
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
 * Decides on forks that are `unheard`: no gateway received everything. If this gateway knows of ids that were given out after the beginning
 * of the fork (`position` is later), any channel may have lost a message, because nobody can tell which channels they were on.
 */
export async function judgeUnheard(source: ChannelSource, forks: Gap[], position: Position): Promise<void> {
  for (const fork of forks) {
    if (fork.extent !== 'unheard' || !isAfter(position, fork.from)) continue;
    fork.extent = 'all';
    await source.reportLost(fork, 'all', []);
  }
}

/** Notes here and in the store that these channels have lost a message in the fork. */
export async function addLost(source: ChannelSource, fork: Gap, channels: string[]): Promise<void> {
  const added = channels.filter((channel) => !mayHaveLost(fork, channel, false));
  if (added.length === 0) return;
  fork.lost.push(...added);
  await source.reportLost(fork, 'some', added);
}

/** Whether it has become known only now that this channel may have lost a message in a fork that was known `before`. */
export function hasTurnedOut(before: Gap, now: Gap, channel: string): boolean {
  if (now.extent === 'old') return false;
  return mayHaveLost(now, channel, false) && !mayHaveLost(before, channel, false);
}
