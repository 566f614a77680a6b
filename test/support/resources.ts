import { createHook } from 'node:async_hooks';

/** What is over with this turn of the event loop. The request for random bytes is made, and answered at once, by `randomUUID`. */
const NOTHING = ['PROMISE', 'TickObject', 'Microtask', 'RANDOMBYTESREQUEST'];

/** What `act` begins: timers, sockets, processes, requests; also such as would not keep the process alive. */
export function resourcesOf(act: () => void): string[] {
  const begun: string[] = [];
  const hook = createHook({
    init(_id, type) {
      if (!NOTHING.includes(type)) begun.push(type);
    },
  }).enable();
  try {
    act();
  } finally {
    hook.disable();
  }
  return begun;
}
