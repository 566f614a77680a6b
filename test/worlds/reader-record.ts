import { tagOf } from './chronicle.ts';
import { type Frame, type History, orderBefore, orderBehind, type Publication, type ReaderHistory } from './history.ts';
import type { Kind, Violation } from './oracle.ts';
import { type Opening, type Right, UserRights } from './rights.ts';

/** A frame that a reader got, and at which place among its frames. */
export interface Got {
  index: number;
  frame: Frame;
}

/** What one reader got, beside what was published. */
export class ReaderRecord {
  readonly history: History;
  readonly reader: ReaderHistory;
  readonly rights: UserRights;
  /** The user's own channel. */
  readonly own: string;
  /** When each of the streams was opened, by Redis's order. */
  readonly openings: Opening[];
  /** The position that the reader began from: what is above is owed. Not known of one that was never let in. */
  readonly start: number | undefined;
  /** By tag, where it came first. */
  readonly got = new Map<string, Got>();
  readonly violations: Violation[] = [];
  readonly #publications: Map<string, Publication>;

  constructor(history: History, reader: ReaderHistory) {
    this.history = history;
    this.reader = reader;
    this.rights = new UserRights(history, reader.user);
    this.own = `user:${reader.user}`;
    this.#publications = new Map(history.publications.map((publication) => [publication.tag, publication]));
    this.openings = reader.streams.map(({ requestedAt, okAt }) => ({
      requested: orderBefore(history, requestedAt),
      ok: okAt === undefined ? Number.POSITIVE_INFINITY : orderBehind(history, okAt),
    }));
    this.start = reader.streams[0]?.from ?? reader.frames.find(({ kind }) => kind === 'ok')?.id;
  }

  /** What was published with this text. */
  publicationOf(text: string): Publication | undefined {
    return this.#publications.get(tagOf(text) ?? '');
  }

  /** Whether the user had the right to a message, as this stream has to know. */
  rightTo({ channel, place }: Publication, stream: number): Right {
    const opening = this.openings[stream];
    if (channel === this.own) return 'yes';
    return opening ? this.rights.at(channel, place.order, opening) : 'either';
  }

  get resets(): Got[] {
    return this.reader.frames.flatMap((frame, index) => (frame.kind === 'reset' ? [{ frame, index }] : []));
  }

  resetsOf(channel: string): Got[] {
    return this.resets.filter(({ frame }) => frame.channel === channel);
  }

  /** Whether the reset stands where the message would have stood among those of its channel. */
  covers({ index }: Got, channel: string, id: number): boolean {
    for (const [tag, got] of this.got) {
      if (this.#publications.get(tag)?.channel !== channel) continue;
      if (got.frame.id < id ? got.index > index : got.index < index) return false;
    }
    return true;
  }

  add(kind: Kind, at: number, what: string, tag?: string): void {
    const { name } = this.reader;
    this.violations.push({ kind, at, what: `${name}: ${what}`, reader: name, ...(tag && { tag }) });
  }
}
