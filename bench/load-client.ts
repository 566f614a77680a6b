import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './compile.ts';
import { LineProcess } from './line-process.ts';
import type { PollForm } from './peers/peer.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Microseconds. */
export interface Histogram {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

export interface Opened {
  open: number;
  seconds: number;
  closed: number;
  refused: number;
  /** Share of one core that the client itself used. */
  busy: number;
  wait: Histogram;
}

export interface Report {
  open: number;
  seconds: number;
  busy: number;
  cpu: number;
  delivered: number;
  lost: number;
  duplicate: number;
  unknown: number;
  resets: number;
  noops: number;
  refused: number;
  closed: number;
  reads: number;
  bytes: number;
  /** Seconds from the last mark to the last event. */
  lastAfter: number;
  latency: Histogram;
}

/** One request line and the channels whose events must come over it. */
export interface PlannedStream {
  path: string;
  channels: readonly number[];
}

/** The reading side: one C program that holds all streams of a turn. */
export class LoadClient {
  readonly #process: LineProcess;
  readonly #folder: string;

  /** @param reads what tells that a stream stands, or the form of polls (see c/polls.c) */
  constructor(port: number, reads: 'head' | 'ok' | PollForm, plan: readonly PlannedStream[], nice = 0) {
    this.#folder = temporaryFolder('plan');
    const file = join(this.#folder, 'plan');
    writeFileSync(file, plan.map((s) => `${s.path}\t${s.channels.join(',')}\n`).join(''));
    const program = reads === 'head' || reads === 'ok' ? 'streams' : 'polls';
    const command = [compile(program), String(port), reads, file];
    this.#process = new LineProcess(nice ? ['nice', '-n', String(nice), ...command] : command);
  }

  get pid(): number {
    return this.#process.started.pid;
  }

  async start(): Promise<void> {
    await this.#process.next();
  }

  /** Opens all streams, at most `inFlight` of them without an answer, spread over `spread` ms; resolves when all are ready. */
  open(inFlight = 0, spread = 0): Promise<Opened> {
    return this.#process.ask(`open ${inFlight} ${spread}`);
  }

  async cut(): Promise<void> {
    await this.#process.ask('cut');
  }

  async mark(): Promise<void> {
    await this.#process.ask('mark');
  }

  /** Lets a channel start at any sequence: for streams that begin in the middle of one. */
  async float(): Promise<void> {
    await this.#process.ask('float');
  }

  report(): Promise<Report> {
    return this.#process.ask('report');
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}
