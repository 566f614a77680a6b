import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from './config.ts';
import { type Context, createContext } from './context.ts';
import type { Logger } from './logger.ts';
import { Failures } from './repeats.ts';

/** How long a start waits for Redis; the gateway listens all the same, and says `error` until Redis is there (ms). */
const START_PATIENCE = 2000;

/** The whole gateway, from start to stop. */
export class Gateway {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #failures: Failures;
  #context: Context | undefined;
  #stopping: Promise<void> | undefined;

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#failures = new Failures(logger);
  }

  get port(): number {
    return (this.#context?.server.address() as AddressInfo | null)?.port ?? 0;
  }

  get context(): Context | undefined {
    return this.#context;
  }

  async start(): Promise<void> {
    const context = await createContext(this.#config, this.#logger);
    this.#context = context;
    const { hub, sessions, recorder, outage, server } = context;
    hub.onHealed = () => {
      sessions.rereadAll().catch((error: unknown) => this.#failures.log('reread_failed', error));
    };
    hub.start();
    sessions.start();
    recorder?.start();
    outage.start();
    const until = Date.now() + START_PATIENCE;
    while ((!hub.isOpen || recorder?.role === 'unknown') && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await listen(server, this.#config);
    const { host } = this.#config;
    this.#logger.info({
      event: 'listening',
      host,
      port: this.port,
      store: context.store.kind,
      redis: hub.isOpen ? 'up' : 'down',
    });
  }

  /** Sends every reader elsewhere, then ends. May be called twice. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  async #stop(): Promise<void> {
    const { context } = this;
    if (!context) return;
    const { server, sessions, recorder, outage, hub, store } = context;
    this.#logger.info({ event: 'draining', streams: sessions.streams });
    context.drain();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    await sessions.drain(this.#config.drain);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2500).unref())]);
    server.closeAllConnections();
    outage.stop();
    sessions.stop();
    await recorder?.stop();
    await hub.close();
    await store.close();
    await context.privateRedis?.close();
    this.#logger.info({ event: 'stopped' });
  }
}

function listen(server: Server, { port, host }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
