// Loaded into a gateway with `--import`: tells on a socket how large the heap is after a collection, and what the process has open.
import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const path = process.env.HEAP_PROBE;
if (path) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const server = createServer(async (socket) => {
    for (let i = 0; i < 4; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { heapUsed, external } = process.memoryUsage();
    const resources = process.getActiveResourcesInfo();
    socket.on('error', () => {}).end(JSON.stringify({ heap: heapUsed, external, resources: resources.length }));
  });
  server.listen(path).unref();
}
