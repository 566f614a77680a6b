import type { Frame, Ledger, Licence, Publication, Reader, StreamNote } from './ledger.ts';
import { findTruths, groupBy, type Truth, type Truths, type Violation } from './truth.ts';
import { Rights } from './visibility.ts';

export interface Verdict {
  violations: Violation[];
  published: number;
  /** Messages that exist. */
  messages: number;
  /** Messages that readers got, each reader counted. */
  deliveries: number;
  /** Acknowledged and gone; each is a violation unless a reset tells of it. */
  lost: number;
  /** Of all deliveries that were due, how much was missing and not announced. */
  lostShare: number;
  resets: number;
  streams: number;
}

/**
 * Compares what was published with what each reader got.
 *
 * A reader has to get every message that its user could see and whose id is above the one of the reader's first `ok`,
 * once and in id order, or a `reset` of that channel in the place of what is missing. Where a message and a change of
 * rights crossed, so that nobody can say which came first, either is right.
 */
export function judge(ledger: Ledger): Verdict {
  const truths = findTruths(ledger);
  const rights = new Rights(ledger, truths.lost);
  const frames = groupBy(ledger.frames, (frame) => frame.reader);
  const streams = groupBy(ledger.streams, (stream) => stream.reader);
  const violations = [...truths.violations, ...checkLost(ledger, truths)];
  for (const { at, who, what } of ledger.problems) violations.push({ rule: 'problem', at, what: `${who}: ${what}` });
  for (const reader of ledger.readers) {
    const log = { frames: frames.get(reader.name) ?? [], streams: streams.get(reader.name) ?? [] };
    violations.push(...new ReaderJudge(ledger, truths, rights, reader, log).judge());
  }
  for (const violation of violations) {
    const near = ledger.actionsNear(violation.at);
    violation.near = near.map(({ at, what }) => `${((at - violation.at) / 1000).toFixed(2)} s: ${what}`);
  }
  const deliveries = ledger.frames.filter((frame) => frame.kind === 'message').length;
  const missing = violations.filter(({ rule, reader }) => rule === 'lost' && reader !== undefined).length;
  return {
    violations,
    published: ledger.publications.length,
    messages: truths.byId.size,
    deliveries,
    lostShare: missing / Math.max(1, deliveries + missing),
    lost: truths.lost.length,
    resets: ledger.frames.filter((frame) => frame.kind === 'reset').length,
    streams: ledger.streams.length,
  };
}

/** Without a fault that entitles to it, what was acknowledged is in the record, whether or not anybody reads it. */
function checkLost(ledger: Ledger, truths: Truths): Violation[] {
  if (ledger.licences.length > 0) return [];
  const gone = truths.lost.filter(({ channel }) => !ledger.denied.includes(channel)).map((one) => lostOf(one));
  if (!ledger.recorded) return gone;
  const kept = new Set(ledger.recorded.map(({ id }) => id));
  for (const { id, publication } of truths.byId.values())
    if (!kept.has(id) && publication) gone.push(lostOf(publication));
  return gone;
}

function lostOf({ channel, sentAt, way, text }: Publication): Violation {
  return {
    rule: 'lost',
    at: sentAt,
    channel,
    what: `${way} publish of ${JSON.stringify(text)} on ${channel} is not in the record`,
  };
}

/** A loss is found when the next recorder takes over, or when Redis is back (ms). */
const ANNOUNCED_WITHIN = 6000;

interface Log {
  frames: Frame[];
  streams: StreamNote[];
}

/** Place of a frame in the reader's log. */
interface Placed {
  frame: Frame;
  place: number;
}

class ReaderJudge {
  readonly #violations: Violation[] = [];
  readonly #ledger: Ledger;
  readonly #truths: Truths;
  readonly #rights: Rights;
  readonly #reader: Reader;
  readonly #log: Log;
  /** By channel, in the order in which they came. */
  readonly #messages = new Map<string, Placed[]>();
  readonly #resets = new Map<string, Placed[]>();

  constructor(ledger: Ledger, truths: Truths, rights: Rights, reader: Reader, log: Log) {
    this.#ledger = ledger;
    this.#truths = truths;
    this.#rights = rights;
    this.#reader = reader;
    this.#log = log;
  }

  judge(): Violation[] {
    this.#sort();
    this.#checkOrder();
    this.#checkLeaks();
    const start = this.#log.frames.find(({ kind }) => kind === 'ok');
    if (!start) {
      this.#add('silent', 0, undefined, 'never got an ok');
      return this.#violations;
    }
    for (const channel of this.#rights.channelsOf(this.#reader.user)) {
      if (!this.#ledger.denied.includes(channel)) this.#checkChannel(channel, start);
    }
    this.#checkUnrecorded(start);
    return this.#violations;
  }

  #sort(): void {
    this.#log.frames.forEach((frame, place) => {
      const channel = frame.channel ?? this.#truths.byId.get(frame.id)?.channel;
      if (channel === undefined || (frame.kind !== 'message' && frame.kind !== 'reset')) return;
      const map = frame.kind === 'message' ? this.#messages : this.#resets;
      const placed = map.get(channel);
      if (placed) placed.push({ frame, place });
      else map.set(channel, [{ frame, place }]);
    });
  }

  /** Ids rise from message to message, also over reconnects; no control frame goes back behind one: clients come back with it. */
  #checkOrder(): void {
    const seen = new Set<number>();
    let position = 0;
    for (const { kind, id, at, text } of this.#log.frames) {
      const rises = kind === 'message' ? id > position : id >= position;
      if (!rises) {
        const rule = kind === 'message' && seen.has(id) ? 'double' : 'order';
        this.#add(
          rule,
          at,
          this.#truths.byId.get(id)?.channel,
          `${kind} ${id} ${JSON.stringify(text ?? '')} came behind ${position}`,
        );
      }
      if (kind === 'message') seen.add(id);
      position = Math.max(position, id);
    }
  }

  /** Nothing published after a revocation, before a grant, or without any right at all. */
  #checkLeaks(): void {
    for (const [channel, placed] of this.#messages) {
      for (const { frame } of placed) {
        const truth = this.#truths.byId.get(frame.id);
        if (!truth || this.#rights.visibility(this.#reader.user, truth) !== 'never') continue;
        if (this.#rights.crosses(this.#reader.user, truth, 'grant', this.#ledger.crossing)) continue;
        const granted = this.#rights.isGrantedAfter(this.#reader.user, truth);
        const what = `message ${frame.id} ${JSON.stringify(truth.text)} of ${channel}, which was not the user's`;
        this.#add(granted ? 'early' : 'leak', frame.at, channel, granted ? `${what} yet` : what);
      }
    }
  }

  #checkChannel(channel: string, start: Frame): void {
    const got = this.#messages.get(channel) ?? [];
    const ids = new Set(got.map(({ frame }) => frame.id));
    const missing = (this.#truths.byChannel.get(channel) ?? []).filter(({ id }) => id > start.id && !ids.has(id));
    const resets = this.#resets.get(channel) ?? [];
    const explained = new Set<Placed>();
    for (const truth of missing) {
      if (this.#rights.visibility(this.#reader.user, truth) === 'never') continue;
      const covering = resets.filter((reset) => covers(reset, truth, got));
      for (const reset of covering) explained.add(reset);
      if (covering.length > 0 || !this.#isDue(truth)) continue;
      if (this.#rights.crosses(this.#reader.user, truth, 'revoke', this.#ledger.crossing)) continue;
      const revoked = this.#rights.revokedMeanwhile(this.#reader.user, truth, Number.POSITIVE_INFINITY);
      const what = `message ${truth.id} ${JSON.stringify(truth.text)} never came, and no reset`;
      this.#add(revoked ? 'cut short' : 'lost', truth.sentAt, channel, revoked ? `${what}; revoked later` : what);
    }
    this.#checkResets(
      channel,
      resets.filter((reset) => !explained.has(reset)),
    );
  }

  /** Replay goes by the rights of the moment: a channel that was lost while the reader was away is not replayed. */
  #isDue(truth: Truth): boolean {
    const { user } = this.#reader;
    if (this.#rights.visibility(user, truth) !== 'must') return false;
    return !this.#log.streams.some(({ stream, lastEventId }) => {
      if (stream === 0 || Number(lastEventId ?? 0) >= truth.id) return false;
      const ok = this.#log.frames.find((frame) => frame.stream === stream && frame.kind === 'ok');
      return ok !== undefined && this.#rights.revokedMeanwhile(user, truth, ok.at);
    });
  }

  /**
   * A reset with nothing missing is false, unless a fault entitles to one a stream. What nobody recorded has no channel to
   * be missed on: each such loss entitles to one reset of every channel.
   */
  #checkResets(channel: string, resets: Placed[]): void {
    const used = new Map<Licence, Set<number>>();
    const all = this.#resets.get(channel) ?? [];
    for (const { frame, place } of resets) {
      const before = all.findLast((other) => other.place < place)?.frame.at ?? 0;
      if (
        this.#truths.unrecorded.some(
          ({ sentAt, settledAt }) => sentAt < frame.at && Math.min(settledAt, sentAt + 10_000) > before,
        )
      )
        continue;
      const licence = this.#ledger.licences.find(
        (one) => one.reason === frame.reason && one.from <= frame.at && !used.get(one)?.has(frame.stream),
      );
      if (licence) used.set(licence, (used.get(licence) ?? new Set()).add(frame.stream));
      else this.#add('false reset', frame.at, channel, `reset of ${channel} (${frame.reason}) with nothing missing`);
    }
  }

  /** What was acknowledged and never recorded has no id to be missed by: a later reset of its channel tells of it. */
  #checkUnrecorded(start: Frame): void {
    for (const { channel, sentAt, settledAt, text, way, ...rest } of this.#truths.lost) {
      const publication = { channel, sentAt, settledAt, text, way, ...rest };
      if (sentAt < start.at) continue;
      if (this.#rights.visibility(this.#reader.user, { channel, sentAt, settledAt, publication }) !== 'must') continue;
      // Whose channel it is no longer when the loss is found cannot be told of it.
      const gone = { ...publication, id: 0, revision: undefined, plain: true, publication };
      if (this.#rights.revokedMeanwhile(this.#reader.user, gone, sentAt + ANNOUNCED_WITHIN)) continue;
      if ((this.#resets.get(channel) ?? []).some(({ frame }) => frame.at >= sentAt)) continue;
      this.#add(
        'lost',
        sentAt,
        channel,
        `${way} ${JSON.stringify(text)} on ${channel} was lost, and no reset told of it`,
      );
    }
  }

  #add(rule: Violation['rule'], at: number, channel: string | undefined, what: string): void {
    this.#violations.push({ rule, at, what, reader: this.#reader.name, ...(channel !== undefined && { channel }) });
  }
}

/** Whether the reset stands where the message would have stood among those of its channel. */
function covers({ place }: Placed, truth: Truth, got: Placed[]): boolean {
  return got.every((one) => (one.frame.id < truth.id ? one.place < place : one.place > place));
}
