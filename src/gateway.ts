import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from './config/config.ts';
import { type Context, type ContextOptions, createContext } from './context.ts';
import { exposureOf, shortSecret } from './exposure.ts';
import type { Logger } from './logger.ts';
import { within } from './patience.ts';

/** How long a start waits for Redis (ms). After that the gateway listens all the same, and sends `error` until Redis answers. */
const START_PATIENCE = 2000;
/** How long a stop waits for requests that are being answered (ms). */
const SERVER_PATIENCE = 2500;
/** How long a stop waits for Redis to answer the last records (ms). */
const RECORDER_PATIENCE = 4000;

/** The whole gateway, from start to stop. */
export class Gateway {
  readonly context: Context;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #warnings: () => string[];
  /** What makes the gateway less safe than it looks, as far as its own configuration tells. */
  readonly #exposures: string[] = [];
  /** Whether this is a worker that is known as part of its gateway. */
  readonly #isOneOfSeveral: boolean;
  #isStopping = false;
  #isDraining = false;
  #stopping: Promise<void> | undefined;

  constructor({ warnings, ...options }: Omit<ContextOptions, 'isStopping' | 'isDraining'>) {
    const { config, logger } = options;
    this.#config = config;
    this.#logger = logger;
    this.#warnings = warnings;
    this.#isOneOfSeveral = options.gateway !== undefined;
    const isStopping = (): boolean => this.#isStopping;
    const isDraining = (): boolean => this.#isDraining;
    this.context = createContext({ ...options, isStopping, isDraining, warnings: () => this.#allWarnings() });
  }

  get port(): number {
    return portOf(this.context.server);
  }

  async start(): Promise<void> {
    const { store, hub, sessions, recorder, expiry, outage, server } = this.context;
    store.start();
    hub.start();
    sessions.start();
    recorder?.start();
    expiry.start();
    outage.start();
    this.context.loop.start();
    this.context.letters?.start();
    this.context.fleet?.start();
    const until = performance.now() + START_PATIENCE;
    // The start also waits for a recorder: a client that connects before there is one would get a reset for what was published just before.
    while ((!hub.isOpen || recorder?.isRecording === false || !store.isSettled) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const { host, port, adminHost, adminPort } = this.#config;
    await listen(server, host, port);
    const { admin } = this.context;
    if (admin) await listen(admin, adminHost, adminPort!);
    this.#logger.info({
      event: 'listening',
      host,
      port: this.port,
      ...(admin && { admin: portOf(admin) }),
      store: store.kind,
      redis: hub.isOpen ? 'up' : 'down',
    });
    const exposure = exposureOf(this.#config, (server.address() as AddressInfo).address);
    const short = shortSecret(this.#config);
    if (exposure) this.#logger.warn({ event: 'exposed', host }, exposure);
    if (short) this.#logger.warn({ event: 'secret_short' }, short);
    this.#exposures.push(...[exposure, short].filter((text) => text !== undefined));
  }

  /**
   * Sends all clients to other gateways, and stops. May be called twice. `isReplaced`: another process has the port, so no balancer has to
   * notice first.
   */
  async stop({ isReplaced = false } = {}): Promise<void> {
    // Of a worker that is being replaced the whole gateway may be stopped meanwhile.
    this.context.sessions.leave(isReplaced && this.#isOneOfSeveral);
    this.#stopping ??= this.#stop(isReplaced ? 0 : this.#config.drainDelay);
    await this.#stopping;
  }

  /** @param drainDelay see `SISYPHUS_DRAIN_DELAY` (ms) */
  async #stop(drainDelay: number): Promise<void> {
    const { context } = this;
    const { server, admin, sessions, recorder, outage, hub, store } = context;
    const servers = admin ? [server, admin] : [server];
    const { drain } = this.#config;
    this.#isStopping = true;
    if (drainDelay > 0) {
      this.#logger.info({ event: 'leaving', delay: drainDelay, streams: sessions.streams });
      await new Promise((resolve) => setTimeout(resolve, drainDelay));
    }
    this.#logger.info({ event: 'draining', streams: sessions.streams });
    this.#isDraining = true;
    const closed = context.stopAccepting(server);
    context.polls?.close();
    const forwarded = context.letters?.stop();
    await sessions.drain(drain);
    // Until here operators can see how the drain goes.
    const closedAdmin = admin && context.stopAccepting(admin);
    for (const one of servers) await context.endIdle(one);
    await within(SERVER_PATIENCE, Promise.all([closed, closedAdmin]));
    for (const one of servers) one.closeAllConnections();
    outage.stop();
    context.expiry.stop();
    context.loop.stop();
    sessions.stop();
    // A standby records the messages that are left; or their gap is announced, as after the end of any recorder.
    if (recorder && !(await within(RECORDER_PATIENCE, recorder.stop()))) {
      this.#logger.warn({ event: 'recorder_left', limit: RECORDER_PATIENCE }, 'Redis did not answer the last records');
    }
    await forwarded;
    await within(SERVER_PATIENCE, Promise.resolve(context.fleet?.stop()));
    await hub.close();
    await store.close();
    this.#logger.info({ event: 'stopped' });
  }

  #allWarnings(): string[] {
    return [...this.#exposures, ...this.#warnings()];
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
