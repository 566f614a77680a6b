import { positionOf, type Start } from '../reading/start.ts';
import { isExpected } from '../repeats.ts';
import type { Admission } from '../session/admission.ts';
import type { Session } from '../session/session.ts';
import type { BoundedLog } from './bounded-log.ts';
import type { HttpContext } from './context.ts';

const LATE = 'Redis does not answer in time';

/**
 * Opens the session when it is its turn, or turns it away.
 *
 * @param until when the session is turned away at the latest, by `performance.now` (ms)
 * `fleet` settles when the session is admitted or refused by the limits of all gateways
 */
export async function openInTurn(
  session: Session,
  start: Start,
  until: number,
  context: HttpContext,
  { admission, fleet, log }: { admission: Admission; fleet: Promise<void> | undefined; log: BoundedLog },
): Promise<void> {
  const { hub, sessions } = context;
  // Each step has a limit of its own, but all of them together might take longer than a client should wait.
  const timer = setTimeout(() => {
    if (!session.opened && !session.connection.closed) sessions.turnAway(session, LATE);
  }, until - performance.now());
  const turn = await admission.enter(() => session.connection.closed);
  if ('done' in turn) {
    session.onOpen = turn.done;
    await open(session, start, context, fleet);
    turn.done();
  } else if (hub.isAnswered) {
    const { opening, waiting } = admission;
    log.warn({ event: 'stream_refused', reason: 'busy', opening, waiting, address: session.address });
    session.connection.close('busy', positionOf(start, hub.position), { times: turn.times });
  } else sessions.turnAway(session, LATE);
  clearTimeout(timer);
}

async function open(
  session: Session,
  start: Start,
  { sessions, logger }: HttpContext,
  fleet: Promise<void> | undefined,
): Promise<void> {
  await session.open(start, fleet).then(
    () => logger.debug({ event: 'stream_opened', user: session.user, start: start.kind }),
    (error: unknown) => {
      if (isExpected(error)) {
        sessions.turnAway(session, (error as Error).message);
        return;
      }
      logger.error({ event: 'stream_failed', user: session.user, err: error });
      session.close('internal');
    },
  );
}
