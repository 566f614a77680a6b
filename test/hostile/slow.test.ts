import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { openFiles } from '../support/process-figures.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

/** How many heads stay half open, if the processes may open so many files; each is a socket here and one in the gateway. */
const HALF_OPEN = 5000;
/** How many clients do each of the other slow things. */
const SLOW = 100;
const HEAD = 'GET /?user=1 HTTP/1.1\r\nHost: a\r\nX: ';
const POST = `POST /publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${PUBLISH_SECRET}\r\nContent-Type: application/json\r\n`;

/** Opens connections that never read, a hundred at a time, so that the queue of the listening socket holds them. */
async function openMany(count: number, port: number, text: string): Promise<Socket[]> {
  const all: Socket[] = [];
  while (all.length < count) {
    const some = Array.from({ length: Math.min(100, count - all.length) }, () => connect({ port, host: '127.0.0.1' }));
    await Promise.all(
      some.map(
        (socket) =>
          new Promise<void>((resolve, reject) => {
            socket.on('error', reject);
            socket.once('connect', () => socket.write(text, () => resolve()));
          }),
      ),
    );
    for (const socket of some)
      socket
        .removeAllListeners('error')
        .on('error', () => {})
        .pause();
    all.push(...some);
  }
  return all;
}

describe('slow attackers', function () {
  this.timeout(60_000);
  let world: World;
  let attackers: Socket[] = [];

  let halfOpen = HALF_OPEN;

  before(async () => {
    // The gateway inherits the limit.
    spawnSync('prlimit', ['--pid', String(process.pid), '--nofile=16384']);
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    halfOpen = Math.min(HALF_OPEN, Number(limit ?? Number.POSITIVE_INFINITY) - 1000);
    if (halfOpen < HALF_OPEN)
      console.log(`      ${halfOpen} half-open heads only: this process may open ${limit} files`);
    world = await startWorld({ SISYPHUS_MAX_STREAMS_PER_USER: '10000', SISYPHUS_NOOP_INTERVAL: '1s' });
    await world.allow('7', 'room:7');
  });

  after(async () => {
    for (const socket of attackers) socket.destroy();
    await world?.stop();
  });

  /** An ordinary client has its stream and a message within a second, however many others there are. */
  async function expectService(): Promise<void> {
    const watch = world.stopwatch();
    const stream = await world.openOk({ path: '/?user=7' });
    await world.publish.http('room:7', 'hello');
    await stream.frame(({ data }) => data === 'hello');
    expect(watch.elapsed).to.be.lessThan(1000);
    stream.close();
  }

  it(`hold up nobody, and are gone after 15 s: ${HALF_OPEN} heads that never end, heads and bodies that come a byte a second`, async () => {
    const { port } = world.gateway;
    const before = await openFiles(world.gateway.pid);
    const readers = await openMany(SLOW, port, 'GET /?user=7 HTTP/1.1\r\nHost: a\r\n\r\n');
    const heads = await openMany(SLOW, port, 'GET /st');
    const bodies = await openMany(SLOW, port, `${POST}Content-Length: 1000\r\n\r\n{`);
    const chunks = await openMany(SLOW, port, `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`);
    const halves = await openMany(halfOpen, port, HEAD);
    const waiting = [...heads, ...bodies, ...chunks, ...halves];
    attackers = [...waiting, ...readers];
    const drip = setInterval(() => {
      for (const socket of heads) socket.write('r');
      for (const socket of bodies) socket.write(' ');
      for (const socket of chunks) socket.write('1\r\n \r\n');
    }, 1000);
    try {
      // The oldest of the half-open ones are closed sooner, because there are so many.
      await eventually(async () => (await openFiles(world.gateway.pid)) >= before + attackers.length - halves.length);
      const began = performance.now();
      for (let i = 0; i < 4; i++) {
        await expectService();
        await wait(1000);
      }
      // Reading lets each of them see its answer, and the end of the connection.
      for (const socket of waiting) socket.resume();
      await eventually(() => waiting.every(({ destroyed }) => destroyed), 20_000, 100);
      expect(performance.now() - began).to.be.within(5000, 20_000);
      await expectService();
      expect((await world.gateway.status()).streams).to.be.at.least(SLOW);
      for (const socket of readers) socket.destroy();
      await eventually(async () => (await world.gateway.status()).streams === 0);
      await eventually(async () => (await openFiles(world.gateway.pid)) <= before + 5);
    } finally {
      clearInterval(drip);
    }
  });
});
