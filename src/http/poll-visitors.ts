import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { type Identified, type Identity, isNobody, type Refused } from '../auth/authenticator.ts';
import { credentialOf } from '../auth/credential.ts';
import type { HttpRequest } from '../auth/http-request.ts';
import type { Name } from '../config/variables.ts';
import { SisyphusError } from '../errors.ts';
import { formatPosition } from '../message/position.ts';
import type { Carried } from '../poll/poll-store.ts';
import type { ClientLimits } from './client-limits.ts';
import type { HttpContext } from './context.ts';
import type { Identification } from './identification.ts';
import { errorOf } from './refusal-error.ts';
import { readStreamQuery } from './stream-query.ts';
import { streamRequestOf } from './stream-request.ts';

/** When a client that has reached a limit may ask again (ms). */
const AGAIN = 2000;

export interface PollVisitorsOptions {
  identification: Identification;
  limits: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed' | 'mayOpen'>;
}

/** Finds out who sends the requests of poll sessions. */
export class PollVisitors {
  readonly #context: HttpContext;
  readonly #options: PollVisitorsOptions;

  constructor(context: HttpContext, options: PollVisitorsOptions) {
    this.#context = context;
    this.#options = options;
  }

  /**
   * Whose stream a new session carries; `undefined`: nobody's, because the request shows no credential.
   *
   * @throws SisyphusError `unauthorized`, `unavailable`, `too_many_requests`
   */
  async carriedBy(ctx: Context): Promise<Carried | undefined> {
    const request = streamRequestOf(ctx.req);
    if (!(await this.#options.limits.mayOpen())) throw this.#limited(ctx, 'SISYPHUS_MAX_OPENS');
    const identity = await this.#identify(ctx, request);
    if (isNobody(identity)) return undefined;
    if ('refusal' in identity) throw this.refused(ctx, identity);
    const { start, format } = readStreamQuery(request, []);
    // What is published from now on is for the session, also before its first poll.
    const position = start.kind === 'after' ? start.position : await this.#context.publisher.position();
    const binding = this.#bindingOf(identity, request);
    return { user: identity.user, binding, format, position: formatPosition(position), isTold: false, number: 0 };
  }

  /** The request as one of the session's user: in the mode `open`, only the first request of a session names the user. */
  requestOf(ctx: Context, { user }: Carried): HttpRequest {
    const more = this.#context.config.auth === 'open' ? new URLSearchParams({ user }) : undefined;
    const request = streamRequestOf(ctx.req);
    if (more) request.query.delete('user');
    for (const [name, value] of more ?? []) request.query.append(name, value);
    return request;
  }

  /** Checks that a request comes with the credential of its session. @throws SisyphusError as `carriedBy` */
  async require(ctx: Context, carried: Carried): Promise<void> {
    const request = this.requestOf(ctx, carried);
    const identity = await this.#identify(ctx, request);
    if ('refusal' in identity) throw this.refused(ctx, identity);
    this.requireSame(carried, identity, request);
  }

  /** The error for a client that is refused; it is counted. */
  refused(ctx: Context, refused: Refused): SisyphusError {
    return refused.limit ? this.#limited(ctx, refused.limit) : errorFor(refused);
  }

  async #identify(ctx: Context, request: HttpRequest): Promise<Identity> {
    const { identification, limits } = this.#options;
    const counted = limits.counted(request);
    const wait = await limits.waitOf(counted);
    if (wait > 0) throw this.#limited(ctx, 'SISYPHUS_MAX_FAILURES', wait);
    const identity = await identification.identify(request, { onClose: () => undefined });
    if ('refusal' in identity) await limits.failed(counted, identity.refusal);
    return identity;
  }

  /** @param wait when the next request is looked at (ms) */
  #limited(ctx: Context, limit: Name, wait = AGAIN): SisyphusError {
    this.#context.counters.limitReached(limit);
    ctx.set('Retry-After', String(Math.ceil(wait / 1000)));
    return new SisyphusError('too_many_requests', `${limit} is reached: expected the next request after Retry-After`);
  }

  /** @throws SisyphusError `unauthorized` if this is not the credential that the session was opened with */
  requireSame(
    carried: Carried,
    identity: Pick<Identified, 'credential'> & { user: string | undefined },
    request: HttpRequest,
  ): void {
    if (identity.user === carried.user && this.#bindingOf(identity, request) === carried.binding) return;
    throw new SisyphusError(
      'unauthorized',
      'the session was opened with another credential: expected that one, or a poll-start',
    );
  }

  /** The hash of what the client has shown; empty if its mode has no credential of its own. */
  #bindingOf({ credential }: Pick<Identified, 'credential'>, request: HttpRequest): string {
    const { auth, cookie } = this.#context.config;
    if (credential !== undefined) return credential;
    if (auth !== 'jwt' && auth !== 'forward') return '';
    const found = credentialOf(request, cookie);
    return typeof found === 'object' ? createHash('sha256').update(found.credential).digest('base64url') : '';
  }
}

/** The error for a client that is refused. */
function errorFor({ refusal }: Refused): SisyphusError {
  if (refusal === 'draining') return errorOf({ refusal: 'draining' });
  if (refusal === 'capacity' || refusal === 'busy') {
    return new SisyphusError('unavailable', 'the gateway is full: expected the request again later');
  }
  if (refusal === 'unavailable' || refusal === 'internal' || refusal === 'redis') {
    return new SisyphusError(
      'unavailable',
      'who the client is cannot be found out now: expected the request again later',
    );
  }
  return new SisyphusError('unauthorized', `the credential is refused (${refusal}): expected one that opens a stream`);
}
