import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Server } from '../peers/peer.ts';
import { cpuSeconds, memoryKilobytes, until } from '../processes.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';

const KEY = 'sisyphus:{0}';
const SECRET = 'a-secret-for-the-benchmark';
const ENV = {
  SISYPHUS_PROTOCOLS: 'sync',
  SISYPHUS_PUBLIC_CHANNELS: 'bench:*',
  SISYPHUS_MAX_BUFFER: '16MB',
  SISYPHUS_COLLECTIONS: JSON.stringify({ users: { key: 'login', public: true, receive: [SECRET], default: true } }),
};
/** Records that one update changes. */
const BATCH = 5;
/** Updates a second. */
const RATE = 100;

interface Sizes {
  records: number;
  dictionaries: number;
  updates: number;
}

const recordOf = (i: number, lap: number) => ({ login: `user-${i}`, name: `User Number ${i}`, team: 'red', lap });

/** Answers of which the ends of lines or frames are counted. */
class Readers {
  readonly #sockets: Socket[] = [];
  readonly #counts: number[] = [];

  constructor(port: number, count: number, request: string, end: string) {
    for (let i = 0; i < count; i++) {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.setEncoding('latin1').write(request);
      this.#counts[i] = 0;
      let last = '';
      socket.on('data', (text: string) => {
        const seen = last + text;
        for (let at = seen.indexOf(end); at >= 0; at = seen.indexOf(end, at + 1)) this.#counts[i]!++;
        // The end may come in two pieces; a whole one must not be counted again.
        last = end.length > 1 ? seen.slice(-(end.length - 1)) : '';
      });
      this.#sockets.push(socket);
    }
  }

  /** Until each reader has had so many. */
  have(count: number): Promise<true> {
    return until(`${count} for each reader`, 60, () => this.#counts.every((seen) => seen >= count) || undefined);
  }

  get counts(): readonly number[] {
    return this.#counts;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Runs the updates at their rate, and answers the processor time (s) that the server and Redis take. */
async function cost(
  server: Server,
  updates: number,
  update: (i: number) => Promise<unknown>,
  done: () => Promise<unknown>,
) {
  const pids = [...server.pids, server.redis!.pid];
  const before = cpuSeconds(pids);
  const begun = performance.now();
  for (let i = 0; i < updates; i++) {
    await pause(Math.max(0, begun + (i * 1000) / RATE - performance.now()));
    await update(i);
  }
  await done();
  return cpuSeconds(pids) - before;
}

async function measure(turn: Turn, { records, dictionaries, updates }: Sizes) {
  const server = await turn.start(ENV);
  const { client } = server.redis!;
  const call = (name: string, ...args: string[]) => client.call('FCALL', name, '1', KEY, ...args);
  const list = Array.from({ length: records }, (_, i) => recordOf(i, 0));
  const batch = (i: number) =>
    Array.from({ length: BATCH }, (_, n) => ({ type: 'update', data: recordOf((i * BATCH + n) % records, i + 1) }));
  const patch = (i: number) => call('sisyphus_patch', 'users', JSON.stringify(batch(i)));
  await call('sisyphus_put', 'users', JSON.stringify(list));

  const snapshots: number[] = [];
  for (let i = 0; i < 9; i++) {
    await patch(i);
    const begun = performance.now();
    await (await fetch(`http://127.0.0.1:${server.port}/live/users`)).text();
    snapshots.push(performance.now() - begun);
  }

  const text = JSON.stringify({ users: { create: [], update: batch(0).map(({ data }) => data), destroy: [] } });
  const path = 'GET /stream?c=bench:1 HTTP/1.1\r\nHost: a\r\n\r\n';
  const streams = new Readers(server.port, dictionaries, path, '\n\n');
  await streams.have(1);
  const [first = 0] = streams.counts;
  const plain = await cost(
    server,
    updates,
    () => call('sisyphus_publish', 'bench:1', text),
    () => streams.have(first + updates),
  );
  streams.close();
  await pause(500);

  const empty = memoryKilobytes(server.pids);
  const begun = performance.now();
  const request = `GET /poll HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${SECRET}\r\n\r\n`;
  const polls = new Readers(server.port, dictionaries, request, ']\n');
  await polls.have(1);
  const firstLine = performance.now() - begun;
  await pause(500);
  const memory = (memoryKilobytes(server.pids) - empty) / dictionaries;
  const own = await cost(server, updates, patch, () => polls.have(1 + updates));
  polls.close();
  const each = (seconds: number) => (seconds * 1e6) / (updates * dictionaries);
  return {
    cpu: each(own),
    plainCpu: each(plain),
    ratio: own / plain,
    snapshot: snapshots.sort((a, b) => a - b)[4]!,
    firstLine,
    memory,
  };
}

export const collections: Scenario = ({ quick, seconds }) => {
  const sizes = quick
    ? { records: 500, dictionaries: 50, updates: 50 }
    : { records: 10_000, dictionaries: 500, updates: Math.ceil(10 * RATE * seconds) };
  const size = `${thousands(sizes.records)} records, ${sizes.dictionaries} dictionaries`;
  return [
    {
      name: 'collections',
      title: `${size}, ${RATE} updates/s of ${BATCH} records, and a channel with as many readers and the same bytes`,
      peers: ['sisyphus'],
      show: ['cpu', 'plainCpu', 'ratio', 'snapshot', 'firstLine', 'memory'],
      goals: quick
        ? []
        : [
            { metric: 'ratio', atMost: 1.5 },
            { metric: 'snapshot', atMost: 100 },
          ],
      measure: (turn) => measure(turn, sizes),
    },
  ];
};
