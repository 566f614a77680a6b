/**
 * A client is told within 2 s that Redis cannot be reached. `OPENING` begins with its request; when it ends, the client is told,
 * whatever its stream waits for (ms):
 *
 *     OPENING 1700  =  TURN 1000, at most  +  700, at least, for its list, its channels and what it missed
 *       +      300     for an event loop that is busy, and for the way to the client
 *       =     2000     TOLD
 *
 * Each step has a limit of its own. If a step ends before `OPENING` does, the client is told the reason of that step.
 */
export const TOLD = 2000;
export const OPENING = TOLD - 300;
/** Until it is known who the client is. What follows has the rest. */
export const IDENTIFYING = OPENING - 200;
/** Until so few streams are opening that it is the stream's turn. */
export const TURN = 1000;
/** Until channels are subscribed, and everything before is healed. */
export const FOLLOWING = OPENING - 100;
/** Until the recorder has recorded everything: longer than a new one takes (1.2 s) if the old one has just died. */
export const SETTLING = 1500;
/**
 * Until the gateways that had heard everything have said what a fork has cost. The hub is not open meanwhile, so a client that comes
 * waits for it, up to `FOLLOWING`.
 */
export const TESTIMONY = 1200;
/** Until a connection on which an answer was lost is back; then the gateway asks again. */
export const RECONNECTING = 1200;
/** Until one command is answered. The command line says after this that Redis cannot be reached. */
export const COMMAND = TOLD;

/** Whether it is done in so many milliseconds. What it rejects with by then goes to the caller. */
export async function within(milliseconds: number, done: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  return Promise.race([done.then(() => true), late]).finally(() => clearTimeout(timer));
}
