import { tagOf } from './chronicle.ts';
import {
  type Frame,
  type History,
  MARGIN,
  orderBefore,
  orderBehind,
  type Publication,
  type ReaderHistory,
} from './history.ts';
import type { Counts, Kind, Violation } from './oracle.ts';
import { type Opening, type Right, UserRights } from './rights.ts';

/**
 * How long something may take (ms): a message of an open stream, the `ok` of a new one. The machine may be busy: it is late
 * only if the same gateway has given another reader by then what was recorded so much later.
 */
const LATE = 1000;
const LATE_OPEN = 500;
/**
 * A hole among plain PUBLISHes is found by the next recorder, or when Redis is back (ms): readers may have had what came
 * behind it by then.
 */
const HOLE_TOLD_WITHIN = 10_000;

/** A message that a reader got, and at which place among its frames. */
interface Got {
  index: number;
  frame: Frame;
}

/** Judges what one reader got. */
export class ReaderJudge {
  readonly #history: History;
  readonly #reader: ReaderHistory;
  readonly #counts: Counts;
  readonly #rights: UserRights;
  readonly #own: string;
  readonly #openings: Opening[];
  readonly #publications: Map<string, Publication>;
  readonly #got = new Map<string, Got>();
  /** The position that the reader began from: what is above is owed. */
  readonly #start: number | undefined;
  readonly #violations: Violation[] = [];

  constructor(history: History, reader: ReaderHistory, counts: Counts) {
    this.#history = history;
    this.#reader = reader;
    this.#counts = counts;
    this.#rights = new UserRights(history, reader.user);
    this.#own = `user:${reader.user}`;
    this.#publications = new Map(history.publications.map((publication) => [publication.tag, publication]));
    this.#openings = reader.streams.map(({ requestedAt, okAt }) => ({
      requested: orderBefore(history, requestedAt),
      ok: okAt === undefined ? Number.POSITIVE_INFINITY : orderBehind(history, okAt),
    }));
    this.#start = reader.streams[0]?.from ?? reader.frames.find(({ kind }) => kind === 'ok')?.id;
    counts.streams += reader.streams.length;
  }

  judge(): Violation[] {
    this.#checkFrames();
    this.#checkStreams();
    if (this.#start === undefined) return this.#violations;
    for (const publication of this.#history.publications) this.#checkMissing(publication, this.#start);
    this.#checkResets(this.#start);
    return this.#violations;
  }

  /** What came: each once, in the order of ids, unaltered, by the rights at its place. */
  #checkFrames(): void {
    let position = this.#start ?? 0;
    this.#reader.frames.forEach((frame, index) => {
      const { kind, id, at, text } = frame;
      const rises = kind === 'message' ? id > position : id >= position;
      const tag = kind === 'message' ? tagOf(text) : undefined;
      // Where Redis was never there, an `error` has no position to tell.
      const isNone = kind === 'error' && id === 0;
      if (!rises && !isNone && !(tag && this.#got.has(tag))) {
        this.#add('out of order', at, `${kind} ${id} behind ${position}`, tag);
      }
      position = Math.max(position, id);
      if (kind === 'message') this.#checkMessage(frame, index, tag);
    });
  }

  #checkMessage(frame: Frame, index: number, tag = ''): void {
    this.#counts.deliveries++;
    const publication = this.#publications.get(tag);
    const { at, id } = frame;
    if (!publication) {
      this.#add('foreign', at, `${JSON.stringify(frame.text.slice(0, 100))}, which nobody published`, tag);
      return;
    }
    const { channel } = publication;
    const before = this.#got.get(tag);
    if (before) this.#add('double', at, `${tag} of ${channel} with id ${before.frame.id} and ${id}`, tag);
    else this.#got.set(tag, { index, frame });
    this.#checkContent(frame, publication);
    if (channel !== this.#own) this.#checkRight(frame, publication);
    this.#checkLate(frame, publication);
  }

  #checkContent(frame: Frame, { tag, channel, text, entries }: Publication): void {
    const entry = entries.find(({ id }) => id === frame.id);
    const differs =
      !entry ||
      (frame.channel ?? channel) !== channel ||
      (frame.revision ?? entry.revision) !== entry.revision ||
      asLines(frame.text) !== asLines(text);
    if (!differs) return;
    const got = `${frame.channel ?? ''} ${frame.revision ?? ''} ${frame.id} ${JSON.stringify(frame.text.slice(0, 100))}`;
    this.#add('altered', frame.at, `${tag} of ${channel} came as ${got}, recorded as ${JSON.stringify(entry)}`, tag);
  }

  #checkRight({ at, stream }: Frame, { tag, channel, place, plain }: Publication): void {
    const opening = this.#openings[stream]!;
    const right = this.#rights.at(channel, place.order, opening);
    const how = `${plain ? 'plain' : 'script'} ${tag} of ${channel} (${place.order}) on stream ${stream}`;
    if (right === 'either') this.#counts.either++;
    if (right === 'no') this.#add(this.#rights.whyNot(channel, place.order), at, how, tag);
    // Of a channel that was lost meanwhile nothing is given after a return, not even what was published before.
    else if (place.order < opening.requested && !this.#rights.wasListed(channel, opening)) {
      this.#add('leaked', at, `${how}, which was opened without a right to it`, tag);
    }
  }

  #checkLate(frame: Frame, { tag, channel, entries }: Publication): void {
    const { okAt } = this.#reader.streams[frame.stream]!;
    const [entry] = entries;
    if (!entry || okAt === undefined || entry.moment.at < okAt) return;
    this.#checkWait(frame.stream, [entry.moment.at, frame.at], LATE, `${tag} of ${channel}`, tag);
  }

  #checkStreams(): void {
    this.#reader.streams.forEach(({ closedBy, requestedAt, okAt, closedAt }, i) => {
      // One that was never open was turned away, as happens where the machine is too busy.
      if (closedBy === 'gateway' && this.#history.calm && okAt !== undefined) {
        this.#add('ended', closedAt ?? 0, `stream ${i} was ended by the gateway`);
      }
      if (okAt !== undefined) this.#checkWait(i, [requestedAt, okAt], LATE_OPEN, `the ok of stream ${i}`);
    });
  }

  /** Whether something came late while nothing failed, and while others got later things earlier. */
  #checkWait(stream: number, [from, to]: [number, number], allowed: number, what: string, tag?: string): void {
    if (!this.#history.calm || to - from <= allowed) return;
    const { gateway } = this.#reader.streams[stream]!;
    const isOvertaken = this.#history.readers.some((other) =>
      other.frames.some((frame) => {
        if (other === this.#reader || frame.at > to - allowed || other.streams[frame.stream]?.gateway !== gateway)
          return false;
        const recorded = this.#publications.get(tagOf(frame.text) ?? '')?.entries[0]?.moment.at ?? 0;
        return recorded >= from;
      }),
    );
    if (isOvertaken)
      this.#add('late', to, `${what} came after ${(to - from).toFixed(0)} ms, others had later ones`, tag);
  }

  /** What did not come: it must not, or need not, or a reset told of it. */
  #checkMissing(publication: Publication, start: number): void {
    const { tag, channel, entries, place } = publication;
    const got = this.#got.has(tag);
    const [entry] = entries;
    if (!entry) this.#checkUnrecorded(publication);
    if (!entry || entry.id <= start) return;
    const due = this.#due(publication, entry.id);
    if (due === 'yes') this.#counts.owed++;
    if (due === 'no' && !got) this.#counts.forbidden++;
    if (got || due !== 'yes') return;
    if (this.#resetsOf(channel).some((reset) => this.#covers(reset, channel, entry.id))) {
      this.#counts.covered++;
      return;
    }
    const stream = this.#decisive(entry.id);
    const how = `${publication.plain ? 'plain' : 'script'} ${tag} of ${channel} (${place.order}, id ${entry.id})`;
    this.#add('lost', place.at, `${how} did not come; it was due on stream ${stream}`, tag);
  }

  /** Whether a message had to come: by the rights of the stream on which it had to, and not of one that was closed too soon. */
  #due({ channel, place }: Publication, id: number): Right {
    if (channel === this.#own) return 'yes';
    const stream = this.#decisive(id);
    const opening = this.#openings[stream];
    if (!opening) return 'either';
    const right = this.#rights.at(channel, place.order, opening);
    if (right !== 'yes' || place.order >= opening.ok) return right;
    // It is replayed, if at all. Granted, revoked and granted again: it is replayed from the last grant on.
    return this.#rights.mayHaveLost(channel, place.order, opening.ok) ? 'either' : 'yes';
  }

  /** The last stream that was opened with a position before this id: later ones had passed it. */
  #decisive(id: number): number {
    return this.#reader.streams.findLastIndex(({ from }, i) => i === 0 || (from ?? 0) < id);
  }

  /** What nobody recorded has no id to be missed by. A later reset of its channel tells of it. */
  #checkUnrecorded({ tag, channel, place }: Publication): void {
    const first = this.#reader.streams.find(({ okAt }) => okAt !== undefined);
    if (!first || place.at < first.okAt! + MARGIN) return;
    if (channel !== this.#own) {
      const last = this.#openings.at(-1)!;
      if (this.#rights.at(channel, place.order, last) !== 'yes') return;
      // Whose channel it is no longer when the hole is found cannot be told of it.
      if (this.#rights.mayHaveLost(channel, place.order, Number.POSITIVE_INFINITY)) return;
    }
    this.#counts.owed++;
    if (this.#resetsOf(channel).some(({ frame }) => frame.at >= place.at)) this.#counts.covered++;
    else
      this.#add(
        'lost',
        place.at,
        `plain ${tag} of ${channel} (${place.order}) was never recorded, and no reset told of it`,
        tag,
      );
  }

  /** A reset tells of something that did not come, and once on a stream. */
  #checkResets(start: number): void {
    /** By message, the last stream on which it was told of. */
    const told = new Map<string, number>();
    for (const reset of this.#resets()) {
      this.#counts.resets++;
      const { channel, reason, at, stream } = reset.frame;
      const { from = 0 } = this.#reader.streams[stream]!;
      const missed = this.#history.publications.filter(
        (one) => one.channel === channel && this.#isMissed(one, start, reset),
      );
      const news = missed.filter(({ tag, entries }) => {
        const before = told.get(tag);
        return before === undefined || (before !== stream && isAbove(entries, from));
      });
      for (const { tag } of missed) told.set(tag, stream);
      if (news.length > 0 || (reason === 'unrecorded' && this.#hasHole(reset))) continue;
      this.#add('false alarm', at, `reset of ${channel} (${reason}) on stream ${stream}, with nothing missing`);
    }
  }

  #isMissed({ tag, channel, entries: [entry], place }: Publication, start: number, reset: Got): boolean {
    if (!entry || entry.id <= start || this.#got.has(tag)) return false;
    const right =
      channel === this.#own ? 'yes' : this.#rights.at(channel, place.order, this.#openings[reset.frame.stream]!);
    return right !== 'no' && place.at <= reset.frame.at + MARGIN && this.#covers(reset, channel, entry.id);
  }

  /** What nobody recorded has no channel to be missed on: each hole entitles to a reset of every channel, on every stream. */
  #hasHole({ frame: { at, stream, channel }, index }: Got): boolean {
    const before = this.#reader.frames.slice(0, index);
    const position = before.findLast(({ id }) => id > 0)?.id ?? 0;
    const last = before.findLast((one) => one.kind === 'reset' && one.channel === channel && one.stream === stream);
    const oldest = Math.max(position / 1000, last?.at ?? 0) - HOLE_TOLD_WITHIN;
    return this.#history.holes.some((hole) => hole <= at + MARGIN && hole >= oldest);
  }

  #resets(): Got[] {
    return this.#reader.frames.flatMap((frame, index) => (frame.kind === 'reset' ? [{ frame, index }] : []));
  }

  #resetsOf(channel: string): Got[] {
    return this.#resets().filter(({ frame }) => frame.channel === channel);
  }

  /** Whether the reset stands where the message would have stood among those of its channel. */
  #covers({ index }: Got, channel: string, id: number): boolean {
    for (const [tag, got] of this.#got) {
      if (this.#publications.get(tag)?.channel !== channel) continue;
      if (got.frame.id < id ? got.index > index : got.index < index) return false;
    }
    return true;
  }

  #add(kind: Kind, at: number, what: string, tag?: string): void {
    const violation: Violation = { kind, at, what: `${this.#reader.name}: ${what}`, reader: this.#reader.name };
    this.#violations.push(tag ? { ...violation, tag } : violation);
  }
}

function isAbove(entries: Publication['entries'], position: number): boolean {
  return entries.some(({ id }) => id > position);
}

/** Raw streams have one kind of line end. */
function asLines(text: string): string {
  return text.replace(/\r\n|\r/g, '\n');
}
