import type { Context } from 'koa';
import { SisyphusError } from '../../errors.ts';
import { requireUser } from '../../message/names.ts';
import { newToken, parseToken, parseTtl } from '../../message/token.ts';
import type { HttpContext } from '../context.ts';
import { type JsonObject, jsonObjectOf } from '../json-body.ts';
import { type Act, audit, audited, requireUserAllowed } from '../publish-rights.ts';
import { readBody } from '../read-body.ts';

const EXAMPLE = '{"user":"7","ttl":"1h"}';
const WHICH = '{"token":"…"} or {"user":"7"}';

/** POST /tokens: makes a token for a user. Redis is given only its hash. */
export function mintToken(context: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const object = await bodyOf(ctx, context, ['user', 'ttl'], EXAMPLE);
    const user = requireUser(object.textOrInteger('user'));
    const ttl = parseTtl(object.get('ttl'));
    if (ttl === undefined) {
      throw new SisyphusError(
        'bad_request',
        'ttl: expected a time from 1s to 365d, such as "1h", or a number of seconds',
      );
    }
    requireUserAllowed(ctx, { user });
    const act: Act = { action: 'token', user };
    const { token, hash } = newToken(user);
    const expires = await audited(context.logger, ctx, act, () => context.tokens.add({ user, hash }, ttl));
    audit(context.logger, ctx, act);
    // The answer is a secret: nobody on the way may keep it (RFC 6749, 5.1).
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { token, expires };
  };
}

/** DELETE /tokens: revokes one token, or all of a user, and ends their streams. */
export function revokeTokens(context: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const object = await bodyOf(ctx, context, ['token', 'user'], WHICH);
    const [token, user] = [object.get('token'), object.textOrInteger('user')];
    if ((token === undefined) === (user === undefined)) throw new SisyphusError('bad_request', `expected ${WHICH}`);
    const which = token === undefined ? { user: requireUser(user) } : typeof token === 'string' && parseToken(token);
    if (!which) throw new SisyphusError('bad_request', 'token is none: expected one as POST /tokens has answered it');
    requireUserAllowed(ctx, which);
    const act: Act = { action: 'revoke_tokens', user: which.user };
    const revoked = await audited(context.logger, ctx, act, () => context.tokens.revoke(which));
    audit(context.logger, ctx, act);
    ctx.body = { revoked };
  };
}

async function bodyOf(ctx: Context, context: HttpContext, known: string[], example: string): Promise<JsonObject> {
  const body = await readBody(ctx.req, context.maxMessage());
  try {
    return jsonObjectOf(ctx.get('Content-Type'), body, known, example);
  } catch (error) {
    if (!(error instanceof SisyphusError) || error.code !== 'bad_json') throw error;
    // The reason quotes a part of the body, which may be a token.
    throw new SisyphusError('bad_json', `the body is no JSON: expected ${example}`);
  }
}
