import type { Session } from './session.ts';

/** Closes these sessions, spread evenly over `within` (ms) and in random order, so that their clients go to other gateways. */
export async function drain(sessions: Iterable<Session>, within: number): Promise<void> {
  const order = [...sessions];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const began = performance.now();
  for (const [i, session] of order.entries()) {
    const wait = began + (within * i) / order.length - performance.now();
    if (wait > 5) await new Promise((resolve) => setTimeout(resolve, wait));
    session.close('shutdown');
  }
}
