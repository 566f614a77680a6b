import { writeFileSync } from 'node:fs';
import type { ResetReason } from '../../src/message/reset.ts';

export type Way = 'plain' | 'fcall' | 'http';

/** `unknown`: sent, and the answer never came; it may have happened or not. */
export type Outcome = 'acknowledged' | 'refused' | 'unknown';

export interface RightsNote {
  user: string;
  channel: string;
  change: 'grant' | 'revoke';
  /** When the list may have changed at the earliest: the application changes it first and tells it later. */
  beganAt: number;
  /** The list and the message in one step; else an application changes the one and then publishes the other. */
  atomic: boolean;
}

export interface Publication {
  publisher: string;
  /** Redis commands on one connection keep their order; an HTTP request has none. */
  connection: number | undefined;
  /** Counts the publisher's publications. */
  sequence: number;
  way: Way;
  channel: string;
  text: string;
  sentAt: number;
  settledAt: number;
  outcome: Outcome;
  /** Where the publisher learns it. */
  id?: number;
  /** What a plain PUBLISH answered. */
  receivers?: number;
  problem?: string;
  /** This message announces that a user's list of channels changed. */
  rights?: RightsNote;
}

export type FrameKind = 'message' | 'reset' | 'ok' | 'error' | 'failure' | 'noop';

export interface Frame {
  reader: string;
  /** Counts the reader's streams. */
  stream: number;
  at: number;
  kind: FrameKind;
  id: number;
  channel?: string;
  revision?: number;
  text?: string;
  reason?: ResetReason;
}

/** What became of one stream of a reader. */
export interface StreamNote {
  reader: string;
  stream: number;
  gateway: string;
  requestedAt: number;
  /** The position it came back with. */
  lastEventId: string | undefined;
  closedAt: number | undefined;
}

export interface Action {
  at: number;
  what: string;
}

/** What none of the rules names and must not be all the same: a status that ends an EventSource, a process that crashed. */
export interface Problem {
  at: number;
  who: string;
  what: string;
}

/** A message as it lies in the backlog at the end. */
export interface Recorded {
  channel: string;
  id: number;
  revision: number;
  text: string;
  plain: boolean;
}

/** What a fault entitles the gateways to: one reset of this reason for each channel of each stream, from then on. */
export interface Licence {
  reason: ResetReason;
  from: number;
}

export interface Reader {
  name: string;
  user: string;
}

/** Everything that happened in one run, as its own processes saw it. */
export class Ledger {
  readonly seed: number;
  readonly scenario: string;
  readonly readers: Reader[] = [];
  /** What each user may follow at the start, besides the user's own channel. */
  readonly rights = new Map<string, string[]>();
  /**
   * How close to a change of rights (ms) a message may come too early, or be cut short: where the list has to be read,
   * because what told of the change was missed or came late, nobody knows when exactly it changed.
   */
  crossing = 5000;
  /** Channels of which nothing is expected but that a reset tells of what is lost: the gateways may not hear, or not record, them. */
  readonly denied: string[] = [];
  readonly publications: Publication[] = [];
  readonly frames: Frame[] = [];
  readonly streams: StreamNote[] = [];
  readonly actions: Action[] = [];
  readonly licences: Licence[] = [];
  readonly problems: Problem[] = [];
  /** What Redis keeps at the end; `undefined` where it has lost its memory meanwhile. */
  recorded: Recorded[] | undefined;

  constructor(scenario: string, seed: number) {
    this.scenario = scenario;
    this.seed = seed;
  }

  /** The actions next to a moment, for whoever reads a violation. */
  actionsNear(at: number, count = 5): Action[] {
    const nearest = this.actions.toSorted((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at)).slice(0, count);
    return nearest.sort((a, b) => a.at - b.at);
  }

  /** One JSON line a fact, in the order of time. */
  write(path: string): void {
    const facts: { at: number; line: object }[] = [];
    for (const publication of this.publications) facts.push({ at: publication.sentAt, line: { publication } });
    for (const frame of this.frames) facts.push({ at: frame.at, line: { frame } });
    for (const stream of this.streams) facts.push({ at: stream.requestedAt, line: { stream } });
    for (const action of this.actions) facts.push({ at: action.at, line: { action } });
    for (const problem of this.problems) facts.push({ at: problem.at, line: { problem } });
    facts.sort((a, b) => a.at - b.at);
    const head = {
      scenario: this.scenario,
      seed: this.seed,
      readers: this.readers,
      rights: Object.fromEntries(this.rights),
      licences: this.licences,
      denied: this.denied,
      crossing: this.crossing,
    };
    const lines = [
      { head },
      ...facts.map((fact) => fact.line),
      ...(this.recorded ?? []).map((recorded) => ({ recorded })),
    ];
    writeFileSync(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  }

  /** Reads back what `write` wrote, so that a judge changed since can look again. */
  static parse(text: string): Ledger {
    const lines = text.trimEnd().split('\n');
    const { head } = JSON.parse(lines[0] ?? '{}') as { head: LedgerHead };
    const ledger = new Ledger(head.scenario, head.seed);
    ledger.readers.push(...head.readers);
    ledger.licences.push(...head.licences);
    ledger.denied.push(...head.denied);
    ledger.crossing = head.crossing;
    for (const [user, channels] of Object.entries(head.rights)) ledger.rights.set(user, channels);
    for (const line of lines.slice(1)) ledger.#take(JSON.parse(line) as LedgerLine);
    return ledger;
  }

  #take(line: LedgerLine): void {
    if ('publication' in line) this.publications.push(line.publication);
    else if ('frame' in line) this.frames.push(line.frame);
    else if ('stream' in line) this.streams.push(line.stream);
    else if ('action' in line) this.actions.push(line.action);
    else if ('problem' in line) this.problems.push(line.problem);
    else {
      this.recorded ??= [];
      this.recorded.push(line.recorded);
    }
  }
}

interface LedgerHead {
  scenario: string;
  seed: number;
  readers: Reader[];
  rights: Record<string, string[]>;
  licences: Licence[];
  denied: string[];
  crossing: number;
}

type LedgerLine =
  | { publication: Publication }
  | { frame: Frame }
  | { stream: StreamNote }
  | { action: Action }
  | { problem: Problem }
  | { recorded: Recorded };
