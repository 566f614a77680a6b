import type { Context, Middleware, Next } from 'koa';
import type { Name } from '../../config/variables.ts';
import type { Counters } from '../../counters.ts';
import { SisyphusError } from '../../errors.ts';
import type { RateLimit } from '../../limits/limits.ts';
import type { PublishSecrets } from '../../publish-secrets.ts';
import type { ClientLimits } from '../client-limits.ts';
import { errorOf } from '../refusal-error.ts';
import { streamRequestOf } from '../stream-request.ts';

export interface PublisherLimits {
  clients: Pick<ClientLimits, 'counted' | 'waitOf' | 'failed'>;
  counters: Pick<Counters, 'limitReached'>;
  /** The requests of one secret. */
  rate: RateLimit;
}

/** Admits requests with a publish secret, and keeps it in `ctx.state.secret`. */
export function publisher(
  secrets: PublishSecrets,
  isDraining: () => boolean,
  { clients, counters, rate }: PublisherLimits,
): Middleware {
  /** @param wait how long requests are refused (ms); 0 if they are not */
  const requireBelow = (ctx: Context, wait: number, limit: Name): void => {
    if (wait === 0) return;
    counters.limitReached(limit);
    ctx.set('Retry-After', String(Math.ceil(wait / 1000)));
    throw new SisyphusError('too_many_requests', `${limit} is reached: expected the next request after Retry-After`);
  };
  return async (ctx: Context, next: Next) => {
    if (secrets.isEmpty) {
      throw new SisyphusError(
        'publishing_off',
        'publishing over HTTP is off; set SISYPHUS_PUBLISH_SECRET to switch it on',
      );
    }
    const counted = clients.counted(streamRequestOf(ctx.req));
    requireBelow(ctx, await clients.waitOf(counted), 'SISYPHUS_MAX_FAILURES');
    const [, token] = /^Bearer +(\S+)$/i.exec(ctx.get('Authorization')) ?? [];
    const secret = token === undefined ? undefined : secrets.find(token);
    if (token === undefined || !secret) {
      if (token !== undefined) await clients.failed(counted, 'signature');
      throw new SisyphusError(
        'unauthorized',
        'the secret is missing or wrong: expected Authorization: Bearer <SISYPHUS_PUBLISH_SECRET>',
      );
    }
    if (isDraining()) throw errorOf({ refusal: 'draining' });
    requireBelow(ctx, await rate.take(token), 'SISYPHUS_MAX_PUBLISHES');
    ctx.state.secret = secret;
    await next();
  };
}
