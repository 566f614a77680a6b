import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { WorkerAnswer } from '../../src/metrics/report.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { readMetrics } from '../support/metrics.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const DELIVERED = 'sisyphus_messages_delivered_total';

const pidsOf = (gateway: Gateway): number[] =>
  gateway.logs.flatMap(({ event, pid }) => (event === 'listening' ? [Number(pid)] : []));

async function workersOf(gateway: Gateway): Promise<WorkerAnswer[]> {
  return (await gateway.status()).workers as WorkerAnswer[];
}

/** Waits until every worker has answered, and these are so many. */
function allServe(gateway: Gateway, count: number): Promise<number[]> {
  return eventually(async () => {
    const workers = await workersOf(gateway);
    return workers.length === count && workers.every(({ answered }) => answered) && workers.map(({ pid }) => pid!);
  }, 15_000);
}

describe('several workers', function () {
  this.timeout(60_000);
  let world: World;

  beforeEach(async () => {
    world = await startWorld({ SISYPHUS_WORKERS: '2', SISYPHUS_DRAIN: '1s' });
    await allServe(world.gateway, 2);
  });
  afterEach(() => world.stop());

  it('have one /status and one /metrics, whichever is asked', async () => {
    await world.allow('1', 'room:1');
    const streams = await Promise.all(Array.from({ length: 6 }, () => world.openOk({ path: '/?user=1' })));
    await world.publish.fcall('room:1', 'hello');
    for (const stream of streams) await stream.until(({ messages }) => messages.length === 1);
    // Each request is a connection of its own, and the workers take turns.
    for (let i = 0; i < 4; i++) {
      const status = await world.gateway.status();
      expect(status.streams).to.equal(6);
      const metrics = await readMetrics(world.gateway.url);
      expect(metrics.get('sisyphus_streams_open{transport="stream"}')).to.equal(6);
      expect(metrics.get(DELIVERED)).to.equal(6);
      expect(metrics.get('sisyphus_worker_up{worker="1"}')).to.equal(1);
      expect(metrics.get('sisyphus_worker_up{worker="2"}')).to.equal(1);
      expect(metrics.get('sisyphus_recorder_role{role="leader"}')).to.equal(1);
    }
  });

  it('that hang or die are named, and what they have counted is kept', async () => {
    await world.allow('1', 'room:1');
    const streams = await Promise.all(Array.from({ length: 6 }, () => world.openOk({ path: '/?user=1' })));
    await world.publish.fcall('room:1', 'hello');
    for (const stream of streams) await stream.until(({ messages }) => messages.length === 1);
    const { gateway } = world;
    expect((await readMetrics(gateway.url)).get(DELIVERED)).to.equal(6);
    const [first, second] = await allServe(gateway, 2);
    process.kill(second!, 'SIGSTOP');
    try {
      // A request that the hanging worker is given is not answered.
      const metrics = await eventually(async () => {
        const found = await readMetrics(gateway.url);
        return found.get('sisyphus_worker_up{worker="2"}') === 0 ? found : undefined;
      }, 20_000);
      expect(metrics.get(DELIVERED)).to.equal(6);
      expect(metrics.get('sisyphus_worker_up{worker="1"}')).to.equal(1);
    } finally {
      process.kill(second!, 'SIGCONT');
    }
    process.kill(first!, 'SIGKILL');
    const death = await gateway.waitForLog(({ event }) => event === 'worker_died');
    expect(death).to.include({ worker: 1, died: first!, signal: 'SIGKILL' });
    await eventually(async () => !(await allServe(gateway, 2)).includes(first!), 15_000);
    const [successor] = await allServe(gateway, 2);
    const line = await gateway.waitForLog(({ event, pid }) => event === 'listening' && pid === successor);
    expect(line, 'it has the number of its place').to.include({ worker: 1 });
    expect((await readMetrics(gateway.url)).get('sisyphus_workers_died_total')).to.equal(1);
    expect((await readMetrics(gateway.url)).get(DELIVERED)).to.be.at.least(6);
  });

  it('go on while those that should replace them are not ready', async () => {
    const { gateway } = world;
    const before = await allServe(gateway, 2);
    const stream = await world.openOk({ path: '/?user=1' });
    world.redis.kill('SIGSTOP');
    process.kill(gateway.pid, 'SIGUSR2');
    // The third one listens after 2 s, although Redis does not answer.
    await eventually(() => new Set(pidsOf(gateway)).size === 3, 20_000);
    expect(gateway.logs.filter(({ event }) => event === 'draining')).to.deep.equal([]);
    world.redis.kill('SIGCONT');
    await gateway.waitForLog(({ event }) => event === 'workers_replaced', 30_000);
    expect(await allServe(gateway, 2)).not.to.include.members(before);
    stream.close();
  });

  it('are replaced one by one on SIGUSR2: no reader loses anything, and no request finds nobody', async () => {
    const { gateway } = world;
    await world.allow('1', 'room:1');
    const before = await allServe(gateway, 2);
    const readers = Array.from({ length: 12 }, () => new Returning(gateway.port));
    await eventually(() => readers.every(({ isOpen }) => isOpen));
    let published = 0;
    let isDone = false;
    const publishing = (async () => {
      while (!isDone) {
        await world.publish.fcall('room:1', String(++published));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    process.kill(gateway.pid, 'SIGUSR2');
    await gateway.waitForLog(({ event }) => event === 'workers_replaced', 30_000);
    const after = await allServe(gateway, 2);
    isDone = true;
    await publishing;
    expect(after).to.have.length(2).and.not.to.include.members(before);
    for (const old of before) expect(after).not.to.include(old);
    const expected = Array.from({ length: published }, (_, i) => String(i + 1));
    for (const reader of readers) {
      await eventually(() => reader.got.length >= published, 10_000);
      expect(reader.got).to.deep.equal(expected);
      expect(reader.problems).to.deep.equal([]);
    }
    expect(readers.some(({ opened }) => opened > 1)).to.equal(true);
    const metrics = await readMetrics(gateway.url);
    expect(metrics.get('sisyphus_ready')).to.equal(1);
    expect(metrics.get(DELIVERED), 'counts of those that ended are kept').to.equal(published * readers.length);
    for (const reader of readers) reader.close();
  });
});

/** A reader by the rules of EventSource: it comes back with its position; anything but 200, and a refused connection, is a problem. */
class Returning {
  readonly got: string[] = [];
  readonly problems: string[] = [];
  opened = 0;
  isOpen = false;
  readonly #port: number;
  #stream: RawStream | undefined;
  #isClosed = false;

  constructor(port: number) {
    this.#port = port;
    void this.#read();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
  }

  async #read(): Promise<void> {
    let lastEventId: string | undefined;
    while (!this.#isClosed) {
      const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
      const stream = openStream({ port: this.#port, path: '/?user=1', headers });
      this.#stream = stream;
      this.opened++;
      let taken = 0;
      await stream
        .until((now) => {
          this.isOpen ||= now.messages.length > 0 || now.frames.length > 0;
          for (const { data } of now.messages.slice(taken)) this.got.push(String(data));
          taken = now.messages.length;
          return now.closed;
        }, 60_000)
        .catch((error: Error) => this.problems.push(error.message));
      if (stream.status !== 200) this.problems.push(`status ${stream.status}`);
      lastEventId = stream.lastEventId ?? lastEventId;
    }
  }
}

describe('workers whose successors cannot start', function () {
  this.timeout(60_000);
  let folder: string;
  let gateway: Gateway | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'workers-'));
  });
  afterEach(async () => {
    await gateway?.stop();
    rmSync(folder, { recursive: true });
  });

  it('go on, and the log says so', async () => {
    const key = join(folder, 'key.pem');
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
    gateway = await startGateway({ SISYPHUS_WORKERS: '2', SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_KEY: key });
    const before = await allServe(gateway, 2);
    writeFileSync(key, 'no key');
    process.kill(gateway.pid, 'SIGUSR2');
    expect(await gateway.waitForLog(({ event }) => event === 'workers_kept', 15_000)).to.include({ level: 'error' });
    expect(await allServe(gateway, 2)).to.deep.equal(before);
  });
});

describe('SISYPHUS_WORKERS=auto', function () {
  this.timeout(30_000);

  it('starts one for each CPU', async () => {
    const gateway = await startGateway({ SISYPHUS_WORKERS: 'auto' });
    try {
      await eventually(() => new Set(pidsOf(gateway)).size === availableParallelism(), 15_000);
    } finally {
      await gateway.stop();
    }
  });
});
