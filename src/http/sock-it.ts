import type { BoundedLog } from './bounded-log.ts';
import { CarriedStreams } from './carried-stream.ts';
import type { ClientLimits } from './client-limits.ts';
import type { HttpContext } from './context.ts';
import type { EntranceOptions } from './entrance.ts';
import type { Identification } from './identification.ts';
import { PollVisitors } from './poll-visitors.ts';
import { SockIt } from './routes/sock-it.ts';

export interface CreateSockItOptions extends EntranceOptions {
  identification: Identification;
  limits: ClientLimits;
  log: BoundedLog;
}

/** Creates the routes below `/sock.it/`; `undefined` if they are off. */
export function createSockIt(context: HttpContext, options: CreateSockItOptions): SockIt | undefined {
  const { polls } = context;
  if (!polls) return undefined;
  const { log } = options;
  const visitors = new PollVisitors(context, options);
  const streams = new CarriedStreams(context, options);
  return new SockIt(context, { store: polls.store, polls, visitors, streams, log });
}
