/**
 * A client is notified within 2 s that Redis cannot be reached. `OPENING` begins with its request; when it ends, the client is
 * notified, no matter which step its stream waits for (ms):
 *
 *     OPENING 1700  =  TURN 1000, at most  +  700, at least, for its list, its channels and what it missed
 *       +      300     for an event loop that is busy, and for the way to the client
 *       =     2000     TOLD
 *
 * Each step has a limit of its own. If a step ends before `OPENING` does, the client gets the reason of that step.
 */
export const TOLD = 2000;
export const OPENING = TOLD - 300;
/** The limit for the identification of the client. The steps that follow have the rest of `OPENING`. */
export const IDENTIFYING = OPENING - 200;
/** How long a stream waits for its turn: the number of streams that open at a time is limited. */
export const TURN = 1000;
/** The limit for subscribing the channels of a stream, and for healing everything before. */
export const FOLLOWING = OPENING - 100;
/** How long to wait until everything is recorded: longer than a new recorder takes (1.2 s) if the old one has just died. */
export const SETTLING = 1500;
/**
 * How long to wait until the gateways that received everything have reported the messages that a fork has cost. The hub is not open
 * meanwhile, so a client that connects waits for it, up to `FOLLOWING`.
 */
export const TESTIMONY = 1200;
/** How long to wait for a connection on which an answer was lost to be back; then the gateway repeats the command. */
export const RECONNECTING = 1200;
/**
 * How long a stream beyond its user's limit waits for another one of the user to end: a page that is loaded again may open its new
 * stream before the end of the old one is noticed.
 */
export const LEAVING = 400;
/** How long one command may take. After that, the command line reports that Redis cannot be reached. */
export const COMMAND = TOLD;

/** Whether `done` resolves within the time. If it rejects within the time, so does the result. */
export async function within(milliseconds: number, done: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  return Promise.race([done.then(() => true), late]).finally(() => clearTimeout(timer));
}
