import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Child } from '../support/child.ts';
import { RawSocket } from '../support/raw-socket.ts';
import type { RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const run = promisify(execFile);
const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));

describe('a gateway that may open few files', () => {
  let world: World;

  afterEach(() => world?.stop());

  async function startLimited(files: number): Promise<void> {
    world = await startWorld({ SISYPHUS_MAX_STREAMS_PER_USER: '1000' });
    await world.allow('1', 'room:1');
    await run('prlimit', ['--pid', String(world.gateway.pid), `--nofile=${files}:${files}`]);
    // It looks ten times a second.
    await new Promise((resolve) => setTimeout(resolve, 150));
  }

  const ready = async (): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${world.gateway.url}/readyz`, { headers: { Connection: 'close' } });
    return { status: response.status, body: await response.text() };
  };

  it('turns streams away with a frame while it can, says so, and takes them again when there is room', async () => {
    await startLimited(96);
    const streams: RawStream[] = [];
    for (let i = 0; i < 100; i++) {
      const stream = world.open();
      streams.push(stream);
      await stream.until(({ frames }) => frames.length > 0);
    }
    const refused = streams.filter(({ frames }) => frames[0]!.comments[0] === 'capacity');
    const taken = streams.filter(({ frames }) => frames[0]!.data?.includes('ok'));
    expect(taken.length).to.be.greaterThan(10);
    expect(refused.length + taken.length).to.equal(100);
    for (const { frames } of refused) expect(frames[0]!.retry).to.be.within(5_000, 10_000);
    await world.gateway.waitForLog(({ event, limit }) => event === 'files_short' && limit === 96);
    const { status, body } = await ready();
    expect(status).to.equal(503);
    expect(body).to.match(/nearly all of the 96 files/);
    // Who publishes is served on.
    await world.publish.http('room:1', 'still here');
    for (const stream of taken) await stream.frame(({ data }) => data === 'still here');
    for (const stream of taken.slice(0, 10)) stream.close();
    await eventually(async () => (await ready()).status === 200);
    await world.openOk();
  });

  it('counts the connections that it has to drop, and keeps the streams and the Redis that it has', async () => {
    await startLimited(64);
    const stream = await world.openOk();
    // Who says nothing keeps a file for a second, so the crowd behind finds none. It finds them all together when it goes on.
    process.kill(world.gateway.pid, 'SIGSTOP');
    const silent = Array.from({ length: 50 }, () => new RawSocket(world.gateway.port));
    const crowd = Array.from({ length: 150 }, () => world.open());
    await eventually(() => crowd.every(({ isConnected }) => isConnected));
    process.kill(world.gateway.pid, 'SIGCONT');
    await eventually(() => crowd.every(({ closed, frames }) => closed || frames.length > 0));
    const line = await world.gateway.waitForLog(({ event }) => event === 'connections_dropped');
    expect(line.limit).to.equal(64);
    const unanswered =
      crowd.filter(({ head }) => head === undefined).length +
      silent.filter(({ ended, error }) => ended || error !== undefined).length;
    for (const each of [...silent, ...crowd]) each.close();
    const { counters } = await eventually(() => world.gateway.status());
    expect(unanswered).to.be.greaterThan(100);
    expect((counters as { dropped: number }).dropped).to.equal(unanswered);
    const killed = await world.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    expect(Number(killed)).to.be.greaterThan(0);
    await world.publish.fcall('room:1', 'heard again');
    await stream.frame(({ data }) => data === 'heard again');
  });
});

describe('the start of a gateway that may open few files', () => {
  it('says that they are too few for its streams', async () => {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0' };
    const child = new Child('sh', ['-c', 'ulimit -n 500 && exec "$0" serve', BIN], { env });
    try {
      await eventually(() => child.stdout.includes('"files_limited"'), 15_000);
      const [line] = child.stdout.split('\n').filter((text) => text.includes('"files_limited"'));
      expect(JSON.parse(line!)).to.include({ level: 'warn', limit: 500, needed: 10_192 });
      expect(line).to.match(/SISYPHUS_MAX_STREAMS=10000.*ulimit -n/);
    } finally {
      await child.end('SIGTERM');
    }
  });
});
