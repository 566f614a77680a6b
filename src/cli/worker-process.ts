import cluster, { type Worker } from 'node:cluster';
import type { Logger } from '../logger.ts';
import { EXIT, type Io } from './command.ts';
import { relayLines } from './relay-lines.ts';
import { closeUntaken } from './worker-connections.ts';
import { type FromWorker, isMessage, type Kept, type ToWorker } from './worker-messages.ts';
import type { Reporting } from './worker-reports.ts';

/** The variable in which a worker finds its number: that of its place, which a worker keeps that is started after another one has died. */
export const PLACE = 'WORKER_PLACE';

export interface WorkerProcessOptions {
  place: number;
  env: Record<string, string | undefined>;
  io: Pick<Io, 'stdout' | 'stderr'>;
  logger: Logger;
  /** Called for each port that the worker listens on: first that of streams, then that of operators. */
  onListening: (port: number, isFirst: boolean) => void;
  onMessage: (message: FromWorker) => void;
  /** Called when the process has ended and its last line and message have been read. */
  onEnd: (code: number, signal: string | undefined) => void;
}

/**
 * One process of several, as the primary sees it.
 *
 * Node reads what is sent to a process from its first moment on, but a worker listens only when its program is loaded and its
 * configuration read, half a second later: what is sent before that is lost. So the worker says when it hears, and the states are:
 * - *deaf*: from the fork until its first message. What it has to know is kept, the last of each kind. It has started nothing.
 * - *hearing*: it has been sent what was kept, then `begin`, and all that follows as it comes.
 *
 * Invariant: what the primary has decided when a worker starts its gateway, the worker knows. So one that is told to stop while it is
 * deaf never listens, takes no stream, and never leads.
 */
export class WorkerProcess implements Reporting {
  readonly place: number;
  readonly since = performance.now();
  /** Settles when streams may come to the worker: `true`; or when it has ended before: `false`. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<void>;
  /** Whether the primary has told the process to stop, so that its end is expected. */
  isLeaving = false;
  readonly #worker: Worker;
  /** What the worker is told when it hears, by kind; `undefined` once it does. */
  #kept: Map<Kept['kind'], Kept> | undefined = new Map();

  constructor({ place, env, io, logger, onListening, onMessage, onEnd }: WorkerProcessOptions) {
    this.place = place;
    const worker = cluster.fork({ ...env, [PLACE]: String(place) });
    this.#worker = worker;
    worker.on('error', (error) => logger.error({ event: 'worker_error', worker: place, err: error }));
    let ports = 0;
    worker.on('listening', ({ port }) => onListening(port, ports++ === 0));
    const child = worker.process;
    closeUntaken(child);
    relayLines(child.stdout!, io.stdout);
    relayLines(child.stderr!, io.stderr);
    this.ready = new Promise((resolve) => {
      worker.on('message', (message: unknown) => {
        if (!isMessage(message)) return;
        const known = message as FromWorker;
        this.#begin();
        if (known.kind === 'ready') resolve(true);
        onMessage(known);
      });
      child.once('close', () => resolve(false));
    });
    // `close` follows `exit`: the worker's last lines have been read by then. Its last messages have when the channel is closed.
    this.ended = new Promise((resolve) => {
      child.once('close', (code: number | null, signal: NodeJS.Signals | null) => {
        const end = (): void => {
          onEnd(code ?? EXIT.failed, signal ?? undefined);
          resolve();
        };
        if (worker.isConnected()) worker.once('disconnect', end);
        else end();
      });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  get hears(): boolean {
    return this.#kept === undefined;
  }

  /** To be called with what the worker has asked for, or if it hears. */
  send(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message);
  }

  /** Tells it as soon as it hears. */
  tell(message: Kept): void {
    if (this.#kept) this.#kept.set(message.kind, message);
    else this.send(message);
  }

  stop(isReplaced: boolean): void {
    this.isLeaving = true;
    this.tell({ kind: 'stop', isReplaced });
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  /** The worker has said something, so it hears. */
  #begin(): void {
    const kept = this.#kept;
    if (!kept) return;
    this.#kept = undefined;
    for (const message of kept.values()) this.send(message);
    this.send({ kind: 'begin' });
  }
}
