import type { Logger } from '../logger.ts';
import { Failures } from '../repeats.ts';
import { Forwarder } from './forwarder.ts';
import type { Inbox } from './inbox.ts';

/** How often a gateway that does not forward looks at the inbox (ms). */
const PERIOD = 10_000;
/** The pause after a look that has failed (ms). */
const AGAIN = 500;

/** Takes care of what browsers have sent, while the gateway runs. */
export interface InboxWorker {
  start(): void;
  /** May be called twice, and before `start`. */
  stop(): Promise<void>;
}

/** Creates what forwards the letters, if there is an address, or what tidies up behind an application that reads them itself. */
export function createInboxWorker(
  inbox: Inbox,
  { inboxUrl: url, inboxSecret: secret }: { inboxUrl: string | undefined; inboxSecret: string | undefined },
  logger: Logger,
): InboxWorker {
  return url === undefined ? new InboxTidier(inbox, logger) : new Forwarder({ inbox, url, secret, logger });
}

/** Keeps the inbox as small as it can be. Every gateway does that, because it does no harm twice. */
class InboxTidier implements InboxWorker {
  readonly #inbox: Inbox;
  readonly #failures: Failures;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(inbox: Inbox, logger: Logger) {
    this.#inbox = inbox;
    this.#failures = new Failures(logger);
  }

  start(): void {
    void this.#tidy();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #tidy(): Promise<void> {
    let pause = PERIOD;
    try {
      await this.#inbox.tidy();
    } catch (error) {
      this.#failures.log('inbox_tidy_failed', error);
      pause = AGAIN;
    }
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#tidy(), pause).unref();
  }
}
