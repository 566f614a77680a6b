import type { Context, Middleware, Next } from 'koa';
import type { HttpContext } from '../context.ts';
import { errorOf } from '../refusal-error.ts';
import { secretsOf, showsOne } from '../sync-secrets.ts';

/** Admits requests with a secret in `send` of the collection; all others have to show a publish secret. */
export function collectionWriter({ config, secrets, isDraining }: HttpContext, publishers: Middleware): Middleware {
  return async (ctx: Context, next: Next) => {
    const found = config.collections.find(({ name }) => name === ctx.params.collection);
    if (!found || !showsOne(ctx, secretsOf(found.send, secrets))) return publishers(ctx, next);
    if (isDraining()) throw errorOf({ refusal: 'draining' });
    // The secret is for this collection, which the path names.
    ctx.state.secret = { name: found.name, allows: () => true };
    return next();
  };
}
