/**
 * Why a stream is told that something may be missing in a channel; docs/reference/resets.md is checked against this list.
 *
 * - `trimmed`, `expired`: the backlog no longer reaches back, by length or by age
 * - `flushed`: Redis has lost its memory; revisions start again
 * - `forked`: a replica took over that lacked the last writes
 * - `future`, `unreadable`: the position that the client brought is none of ours
 * - `unrecorded`: plain PUBLISHes may have been lost while no gateway could hear them
 * - `oversize`: a plain PUBLISH was larger than a message may be
 * - `overtaken`: messages have lower ids than what the reader has already: of a channel just granted, or found by the self-check
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
