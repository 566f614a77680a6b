import type { Context } from 'koa';
import type { HttpContext, RecorderStatus, SettingsStatus } from '../context.ts';
import type { Descriptors } from '../descriptors.ts';

/** GET /healthz: always 200 while the process runs. */
export function healthz(ctx: Context): void {
  ctx.body = { alive: true };
}

/**
 * GET /readyz: whether a balancer should send streams to this gateway: 200, or 503 with the reasons. If Redis refuses only commands
 * that publishers need, the status is 200, and the body still has the reason.
 */
export function readyz(context: HttpContext, descriptors: Descriptors): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const isShort = await descriptors.isShort();
    const troubles = context.troubles();
    const reasonsOf = (stops: boolean): string[] =>
      troubles.filter((trouble) => (trouble.stops !== 'publishing') === stops).map(({ reason }) => reason);
    const [stopping, others] = [reasonsOf(true), reasonsOf(false)];
    if (!context.hub.isAnswered && stopping.length === 0) stopping.push('Redis does not answer');
    // If the store has a trouble, no recorder may be able to renew its lease, and the trouble is reason enough.
    if (!isRecorded(context.recorder()) && troubles.length === 0) {
      stopping.push('no recorder is known: nobody has renewed its lease lately');
    }
    stopping.push(...(context.settings()?.problems ?? []));
    if (isShort) stopping.push(`nearly all of the ${descriptors.limit} files that the process may open are in use`);
    if (context.isStopping()) stopping.push('the gateway is being stopped');
    const ready = stopping.length === 0;
    const reasons = [...stopping, ...others];
    ctx.status = ready ? 200 : 503;
    ctx.body = { ready, ...(reasons.length > 0 && { reasons }) };
  };
}

function settingsOf({ settings }: HttpContext): Pick<SettingsStatus, 'version' | 'differences'> | undefined {
  const status = settings();
  return status && { version: status.version, differences: status.differences };
}

function isRecorded({ role, recording }: RecorderStatus): boolean {
  return role === 'off' || recording;
}

/** GET /status: figures for the operator, without names of users or channels. */
export function status(context: HttpContext): (ctx: Context) => void {
  const { hub, sessions } = context;
  return (ctx) => {
    const { recorder, ...counters } = context.counters.snapshot();
    let channels = 0;
    let subscriptions = 0;
    for (const { readers } of hub.subscriptions()) {
      if (readers.size > 0) channels++;
      subscriptions += readers.size;
    }
    ctx.body = {
      version: context.version,
      store: context.store,
      redis: context.store === 'memory' ? 'none' : hub.isAnswered ? 'up' : 'down',
      reasons: context.troubles().map(({ reason }) => reason),
      draining: context.isStopping(),
      warnings: context.warnings(),
      streams: sessions.streams,
      users: sessions.users,
      channels,
      subscriptions,
      lingering: hub.channels - channels,
      recorder: { ...context.recorder(), ...recorder },
      settings: settingsOf(context),
      counters,
    };
  };
}
