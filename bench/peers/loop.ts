import { compile } from '../compile.ts';
import { freePort, start, stop } from '../processes.ts';
import type { Peer } from './peer.ts';
import { waitForPort } from './wait-for-port.ts';

/** The floor: a C loop of `write`, without Redis, backlog or rights, and with one channel only. */
export const loop: Peer = {
  name: 'loop',
  probe: () => ({ version: 'bench/c/loop.c, -O2' }),
  async start() {
    const port = await freePort();
    const started = start([compile('loop'), String(port)]);
    await waitForPort(port);
    return {
      port,
      readyOn: 'head',
      pids: [started.pid],
      publish: { port, form: 'publish', connections: 1 },
      path: () => '/',
      close: () => stop(started),
    };
  },
};
