import type { Gateway } from '../gateway.ts';

/** What a worker needs of its gateway to stop it. */
export interface Stopping extends Pick<Gateway, 'stop'> {
  context: Pick<Gateway['context'], 'server'>;
}

/**
 * How far a worker has come: it waits for the primary, then starts, then serves, and stops when it is told to. One that is told to stop
 * before it starts never does. One that is told while it starts stops at once: it has no stream yet, and takes none.
 */
export class WorkerLife<G extends Stopping> {
  /** The gateway that is to start; `undefined` if none is. */
  readonly begun: Promise<G | undefined>;
  readonly stopped: Promise<void>;
  gateway: G | undefined;
  readonly #create: () => G;
  #isStopped = false;
  #resolveBegun!: (gateway: G | undefined | Promise<never>) => void;
  #resolveStopped!: (stopping: Promise<void>) => void;

  /** @param create called when the worker may begin, so that it has been told its certificates */
  constructor(create: () => G) {
    this.#create = create;
    this.begun = new Promise((resolve) => {
      this.#resolveBegun = resolve;
    });
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  begin(): void {
    if (this.#isStopped || this.gateway) return;
    try {
      this.gateway = this.#create();
      this.#resolveBegun(this.gateway);
    } catch (error) {
      this.#resolveBegun(Promise.reject(error));
    }
  }

  stop(isReplaced: boolean): void {
    this.#isStopped = true;
    this.#resolveBegun(undefined);
    if (!this.gateway) return;
    const { server } = this.gateway.context;
    if (server.listening) {
      this.#resolveStopped(this.gateway.stop({ isReplaced }));
      return;
    }
    // The start goes on while the stop waits for a Redis that does not answer: it must not come past its `listen` then.
    server.listen = () => server;
    // Nobody is connected, so no balancer has to notice first.
    this.#resolveStopped(this.gateway.stop({ isReplaced: true }));
  }
}
