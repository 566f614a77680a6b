/**
 * Why a stream receives a `reset`, because messages of a channel may be missing. A test checks docs/reference/resets.md
 * against this list.
 *
 * - `trimmed`, `expired`: the backlog no longer reaches back to the reader's position, because of its length or age
 * - `flushed`: Redis has lost its memory; revisions start again
 * - `forked`: a replica that lacked the last writes has become the master
 * - `future`, `unreadable`: the position that the client sent is not one of ours: it is ahead of every id, or cannot be parsed
 * - `unrecorded`: plain PUBLISHes may have been lost while no gateway could receive them
 * - `oversize`: a plain PUBLISH was larger than a message may be
 * - `overtaken`: messages have lower ids than others that the reader has already: in a channel just granted, or found by the
 *   self-check
 */
export const RESET_REASONS = [
  'trimmed',
  'expired',
  'flushed',
  'forked',
  'future',
  'unreadable',
  'unrecorded',
  'oversize',
  'overtaken',
] as const;

export type ResetReason = (typeof RESET_REASONS)[number];
