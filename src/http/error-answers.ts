import type { HttpRequest } from '../auth/http-request.ts';
import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isExpected, Repeats } from '../repeats.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { ClientLimits } from './client-limits.ts';
import { shownPath } from './shown-path.ts';

export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: { error: string; message: string };
}

/** Makes the answer to each error, a JSON body that has a code and a sentence, and writes a line to the log. */
export class ErrorAnswers {
  readonly #logger: Logger;
  readonly #log: BoundedLog;
  readonly #limits: Pick<ClientLimits, 'counted'>;
  readonly #repeats = new Repeats();

  constructor(logger: Logger, log: BoundedLog, limits: Pick<ClientLimits, 'counted'>) {
    this.#limits = limits;
    this.#logger = logger;
    this.#log = log;
  }

  /** @param from the same request, for the address of its client */
  of(thrown: unknown, { method, url }: { method: string; url: string }, from: () => HttpRequest): ErrorAnswer {
    const error = thrown instanceof SisyphusError ? thrown : this.#unexpected(thrown);
    // Redis refuses all publishers for the same reason, and a client at a limit sends many requests, so these lines are limited.
    const isRepeated = isExpected(error) || error.code === 'too_many_requests';
    const { code, status, message: reason } = error;
    const times = isRepeated ? this.#repeats.due(`${code} ${reason}`) : 1;
    if (times > 0) {
      const line = { event: 'request_refused', method, path: shownPath(url), code, reason };
      const address = this.#limits.counted(from()).shown;
      this.#log.warn({ ...line, address, ...(times > 1 && { times }) });
    }
    const headers: Record<string, string> = {};
    if (code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer';
    if (status === 503) headers['Retry-After'] = '2';
    return { status, headers, body: { error: code, message: reason } };
  }

  #unexpected(thrown: unknown): SisyphusError {
    this.#logger.error({ event: 'request_failed', error: thrown });
    return new SisyphusError('internal', 'a mistake in the gateway; its log has it', { cause: thrown });
  }
}
