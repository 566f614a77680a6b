import type { Context } from 'koa';
import type { HttpContext, RecorderStatus } from '../context.ts';

/** GET /healthz: the process lives. */
export function healthz(ctx: Context): void {
  ctx.body = { alive: true };
}

/** GET /readyz: whether streams should be sent here. 503 tells a balancer to look elsewhere. */
export function readyz({ hub, recorder, isDraining }: HttpContext): (ctx: Context) => void {
  return (ctx) => {
    const reasons = [
      ...(hub.isAnswered ? [] : ['Redis cannot be reached']),
      ...(isRecorded(recorder()) ? [] : ['no recorder is known: nobody has renewed its lease lately']),
      ...(isDraining() ? ['the gateway is being stopped'] : []),
    ];
    ctx.status = reasons.length === 0 ? 200 : 503;
    ctx.body = reasons.length === 0 ? { ready: true } : { ready: false, reasons };
  };
}

function isRecorded({ role, recording }: RecorderStatus): boolean {
  return role === 'off' || recording;
}

/** GET /status: figures for whoever looks, without names. */
export function status(context: HttpContext): (ctx: Context) => void {
  const { hub, sessions } = context;
  return (ctx) => {
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
      draining: context.isDraining(),
      warnings: context.warnings(),
      streams: sessions.streams,
      users: sessions.users,
      channels,
      subscriptions,
      lingering: hub.channels - channels,
      recorder: context.recorder(),
      counters: { ...hub.counters, closed: Object.fromEntries(sessions.closed) },
    };
  };
}
