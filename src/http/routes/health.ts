import type { Context } from 'koa';
import { countsOf, statusOf } from '../../metrics/combine.ts';
import { CONTENT_TYPE, render } from '../../metrics/render.ts';
import type { HttpContext } from '../context.ts';
import { reasonsAgainst } from '../readiness.ts';

/** GET /healthz: always 200 while the process runs. */
export function healthz(ctx: Context): void {
  ctx.body = { alive: true };
}

/** GET /readyz: whether a balancer should send streams to this gateway: 200, or 503 with the reasons. */
export function readyz(context: HttpContext): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const { stopping, others } = await reasonsAgainst(context);
    const ready = stopping.length === 0;
    const reasons = [...stopping, ...others];
    ctx.status = ready ? 200 : 503;
    ctx.body = { ready, ...(reasons.length > 0 && { reasons }) };
  };
}

/** GET /status: figures for the operator, of all workers, without names of users or channels. */
export function status(context: Pick<HttpContext, 'gather'>): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const gathered = await context.gather();
    // The histograms are for `/metrics`.
    const { recorder, latency, replays, roundTrips, ...counters } = countsOf(gathered);
    const { settings, ...found } = statusOf(gathered);
    const { workers } = gathered;
    ctx.body = {
      ...found,
      recorder: { ...found.recorder, ...recorder },
      settings,
      ...(workers && { workers }),
      counters,
    };
  };
}

/** GET /metrics: the same figures and more, for Prometheus. */
export function metrics(context: Pick<HttpContext, 'gather'>): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    ctx.body = await render(await context.gather());
    ctx.set('Content-Type', CONTENT_TYPE);
  };
}
