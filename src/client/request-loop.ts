import { Clock } from './clock.ts';

/** What to ask next. */
export interface NextRequest {
  address: URL;
  /** With a body it is a POST, otherwise a GET. */
  body?: string | URLSearchParams;
}

/** Why a request has failed. */
export interface Failure {
  /** The gateway's error code (docs/reference/errors.md), or `offline`, `silent`, `lost`, `credential` of the client. */
  reason: string;
  /** The gateway's sentence. */
  message?: string;
  /** The status of the answer; 0 if there was none. */
  status: number;
  /** The gateway would refuse every later request, too, so the loop has stopped. */
  isFinal: boolean;
  /** What `next` has thrown. */
  error?: unknown;
}

export interface RequestLoopOptions {
  /** Gives the next request; `undefined` if there is nothing to ask now. If it throws, the failure has the reason `credential`. */
  next(): NextRequest | undefined | Promise<NextRequest | undefined>;
  /**
   * Takes an answer with status 200. It throws if the gateway cannot have written the answer.
   *
   * @returns whether there is anything in it; if not, the next request does not follow at once
   */
  take(text: string, headers: Headers): boolean;
  failed(failure: Failure): void;
  /** Called when a request has waited for so long that the gateway cannot have refused it. */
  waits?(): void;
  /** Used instead of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  withCredentials?: boolean | undefined;
}

/** The gateway answers a poll within 25 s, and an error within 2 s (ms). */
const PATIENCE = 30_000;
const LET_IN = 3_000;
/** From the head of an answer on it may take this long (ms), as at the gateway. */
const TAKING = 60_000;
/** How often the time is looked at (ms). A timer of 30 s would stand still while the machine sleeps. */
const LOOK = 1_000;
/** `Retry-After` counts up to this (s). The pause is then a random time from as long to twice as long. */
const LONGEST_AFTER = 60;
/** 408, 425 and 429 may be answered otherwise later; all other statuses from 400 to 499 are about the request itself. */
const LATER = [408, 425, 429];

/**
 * Sends one request after another: at once after an answer, later after a failure. At most one is under way.
 *
 * Invariant: the answer to a request that was given up is never taken, even if it arrives. So `next` has to ask again for what may have been in it.
 */
export class RequestLoop {
  readonly #options: RequestLoopOptions;
  readonly #clock = new Clock();
  #underWay: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  /** When the request was sent; infinite while its credential is waited for. */
  #begun = 0;
  /** When the request is given up. */
  #until = 0;
  #failures = 0;
  /** How often the credential was refused at once, without another answer in between. */
  #refusals = 0;
  #isOver = false;

  constructor(options: RequestLoopOptions) {
    this.#options = options;
    this.#hearThePage('addEventListener');
  }

  /** Asks, unless a request is under way or about to be sent. */
  start(): void {
    if (!this.#underWay && this.#timer === undefined) this.#ask(0);
  }

  /** Gives up the request that is under way, and asks anew. */
  restart(): void {
    this.#giveUp();
    this.#ask(0);
  }

  stop(): void {
    this.#isOver = true;
    this.#giveUp();
    this.#hearThePage('removeEventListener');
  }

  #giveUp(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    this.#timer = undefined;
    this.#underWay?.abort();
    this.#underWay = undefined;
  }

  #ask(pause: number): void {
    if (!this.#isOver) this.#timer = setTimeout(() => void this.#run(), pause);
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#underWay = new AbortController();
    const { signal } = this.#underWay;
    this.#begun = Number.POSITIVE_INFINITY;
    this.#until = this.#clock.now() + PATIENCE;
    this.#look();
    try {
      const isNews = await this.#exchange(signal);
      if (signal.aborted) return;
      this.#failures = this.#refusals = 0;
      if (isNews === undefined) return this.#giveUp();
      // Something between page and gateway may answer at once and always; without a pause it would be asked in a circle.
      const pause = isNews || this.#clock.now() - this.#begun > LOOK ? 0 : LOOK;
      this.#giveUp();
      this.#ask(pause);
    } catch (error) {
      this.#askLater(error, signal);
    }
  }

  #askLater(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const pause = this.#failed(error);
    // Whoever was told of the failure may have asked anew.
    if (signal.aborted) return;
    this.#giveUp();
    this.#ask(pause);
  }

  /** @returns whether there was any news; `undefined` if there was nothing to ask */
  async #exchange(signal: AbortSignal): Promise<boolean | undefined> {
    const { next, take, withCredentials, fetch = globalThis.fetch } = this.#options;
    const request = await Promise.resolve()
      .then(next)
      .catch((error: unknown) => {
        throw Object.assign(failure('credential', 0, String(error)), { error });
      });
    if (!request || signal.aborted) return undefined;
    const { address, body } = request;
    this.#begun = this.#clock.now();
    const response = await fetch(address, {
      signal,
      cache: 'no-store',
      credentials: withCredentials ? 'include' : 'same-origin',
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
    this.#until = this.#clock.now() + TAKING;
    const text = await response.text();
    if (signal.aborted) return undefined;
    if (response.status !== 200) throw refusal(response, text);
    return take(text, response.headers);
  }

  /** @returns how long to wait until the next request (ms), longer the more often it has failed; different pages wait differently */
  #failed(error: unknown): number {
    const failed = error instanceof RequestError ? error : failure('lost', 0);
    const { reason, message, status, after } = failed;
    const isLetIn = this.#clock.now() - this.#begun > LET_IN;
    // A credential may end while its poll waits, or on the way to the gateway; the next one is fresh.
    if (status === 401) this.#refusals = isLetIn ? 1 : this.#refusals + 1;
    const isRefused = status >= 400 && status < 500 && !LATER.includes(status);
    const isFinal = isRefused && (status !== 401 || this.#refusals > 1);
    const isOffline = reason === 'lost' && globalThis.navigator?.onLine === false;
    if (isFinal) this.stop();
    this.#options.failed({
      reason: isOffline ? 'offline' : reason,
      status,
      isFinal,
      ...(message && { message }),
      error: failed.error,
    });
    const failures = this.#failures++;
    const longest = failures === 0 ? 1000 : failures < 15 ? 4000 : 15_000;
    return Math.max(longest, Math.min(after, LONGEST_AFTER) * 2000) * (0.5 + Math.random() / 2);
  }

  readonly #look = (): void => {
    clearTimeout(this.#watch);
    if (!this.#underWay) return;
    const now = this.#clock.now();
    if (now > this.#until) {
      this.#askLater(failure('silent', 0), this.#underWay.signal);
      return;
    }
    if (now - this.#begun > LET_IN) this.#options.waits?.();
    this.#watch = setTimeout(this.#look, LOOK);
  };

  readonly #woken = ({ type }: Event): void => {
    if (type === 'pagehide') this.#giveUp();
    else if (type === 'pageshow') this.start();
    else if (type !== 'visibilitychange') this.restart();
    else if (this.#underWay) this.#look();
    else if (globalThis.document?.visibilityState === 'visible') this.restart();
  };

  #hearThePage(way: 'addEventListener' | 'removeEventListener'): void {
    for (const name of ['online', 'pageshow', 'pagehide']) globalThis[way]?.(name, this.#woken);
    for (const name of ['visibilitychange', 'resume']) globalThis.document?.[way](name, this.#woken);
  }
}

class RequestError extends Error {
  reason = 'lost';
  status = 0;
  /** When the gateway wants to be asked again (s). */
  after = 0;
  error: unknown;
}

function failure(reason: string, status: number, message = '', after = 0): RequestError {
  return Object.assign(new RequestError(message), { reason, status, after });
}

function refusal({ status, headers }: Response, text: string): RequestError {
  const after = Number(headers.get('Retry-After')) || 0;
  try {
    const { error, message } = JSON.parse(text) as { error: string; message: string };
    return failure(error, status, message, after);
  } catch {
    // Something between the page and the gateway has answered.
    return failure('lost', status, '', after);
  }
}
