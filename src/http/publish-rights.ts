import type { Context } from 'koa';
import { SisyphusError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { channelOfUser } from '../message/names.ts';
import type { ShownSecret } from '../publish-secrets.ts';

/** What a publisher has done to a user. */
export interface Act {
  action: 'grant' | 'revoke' | 'token' | 'revoke_tokens' | 'disconnect';
  user?: string | undefined;
  channel?: string | undefined;
  /** As text: the id of the message about a grant or a revocation, or the id of a disconnect. */
  id?: string | undefined;
}

/**
 * Checks that the secret of the request may publish to all of the channels.
 *
 * @param isBatch whether the error should say which message of the batch is meant
 * @throws SisyphusError `forbidden_channel`
 */
export function requireAllowed(ctx: Context, channels: readonly string[], isBatch = false): void {
  const { name, allows } = secretOf(ctx);
  const at = channels.findIndex((channel) => !allows(channel));
  if (at < 0) return;
  const which = isBatch ? `message [${at}]: ` : '';
  throw new SisyphusError(
    'forbidden_channel',
    `${which}the secret ${JSON.stringify(name)} may not publish to ${channels[at]}: expected a channel that its patterns match`,
  );
}

/** Checks that the secret of the request may act on the user, and on the channel if the act has one. @throws SisyphusError `forbidden_channel` */
export function requireUserAllowed(ctx: Context, { user, channel }: { user: string; channel?: string }): void {
  requireAllowed(ctx, [channelOfUser(user), ...(channel === undefined ? [] : [channel])]);
}

/** Whether the secret of the request may act on the user. */
export function mayActOn(ctx: Context, user: string): boolean {
  return secretOf(ctx).allows(channelOfUser(user));
}

/** Writes the audit line of an act that has been done: with the name of the secret that was used. */
export function audit(logger: Pick<Logger, 'info'>, ctx: Context, act: Act): void {
  // The member has another name than `secret`, because the values of such members are masked.
  logger.info({ event: 'audit', ...act, by: secretOf(ctx).name });
}

/** Does the act. If Redis does not answer, it is not known whether it was done, and its audit line says so; else the caller writes the line. */
export async function audited<Answer>(
  logger: Pick<Logger, 'info'>,
  ctx: Context,
  act: Act,
  run: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await run();
  } catch (error) {
    const isUnknown = error instanceof SisyphusError && error.code === 'redis_unavailable';
    if (isUnknown) logger.info({ event: 'audit', ...act, by: secretOf(ctx).name, unknown: true });
    throw error;
  }
}

/** The secret that the middleware `publisher` has found. */
function secretOf({ state }: Context): ShownSecret {
  return state.secret as ShownSecret;
}
