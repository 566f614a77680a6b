/**
 * A client is told within 2 s that Redis cannot be reached. `OPENING` begins with its request, and ends whatever the stream waits for:
 *
 *     OPENING 1700 ms  =  TURN 1000, at most  +  700, at least, for its list, its channels and what it missed
 *       +      300 ms     for an event loop that is busy, and for the way to the client
 *       =     2000 ms     TOLD
 *
 * What it waits for has limits of its own. They are shorter than `OPENING`, so that its reason is the one that is told, or `OPENING`
 * does not wait for their end. All in ms.
 */
export const TOLD = 2000;
export const OPENING = TOLD - 300;
/** Until fewer streams are opening. */
export const TURN = 1000;
/** Until channels are subscribed, and everything before is healed. */
export const FOLLOWING = OPENING - 100;
/** Until the recorder has recorded everything: longer than a new one takes (1.2 s) if the old one has just died. */
export const SETTLING = 1500;
/** Until those who had heard everything have said what a fork has cost; the hub heals meanwhile, and who comes waits `FOLLOWING`. */
export const TESTIMONY = 1200;
/** Until a connection is back on which an answer was lost: then it is asked for again. */
export const RECONNECTING = 1200;
/** Until one command is answered. Who does not open a stream, such as the command line, is told after that. */
export const COMMAND = TOLD;
