import type { ForkExtent, Gap } from '../../hub/channel-source.ts';
import { BEGINNING, parsePosition } from '../../message/position.ts';

/** The extents of forks, as lua/gaps.lua writes them. */
const EXTENTS: Record<string, ForkExtent> = { '?': 'awaited', '-': 'unheard', '=': 'known', '*': 'all', '+': 'old' };

/** Parses a gap, in the form in which the store keeps and publishes it. */
export function parseGap(text: string): Gap {
  const [reason, from = '', to = '', ...words] = text.split(' ');
  const range = { from: parsePosition(from) ?? BEGINNING, to: parsePosition(to) ?? BEGINNING };
  if (reason !== 'forked') return { reason: 'unrecorded', ...range, lost: words };
  const [word = '', ...lost] = words;
  return { reason, ...range, lost, extent: EXTENTS[word] ?? 'known' };
}
