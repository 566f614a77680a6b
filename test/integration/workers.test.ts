import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { WorkerAnswer } from '../../src/metrics/report.ts';
import { Authority } from '../support/certificates.ts';
import { freePort } from '../support/child.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { readMetrics } from '../support/metrics.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { startRedis } from '../support/redis.ts';
import { eventually, within } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const DELIVERED = 'sisyphus_messages_delivered_total';

const pidsOf = (gateway: Gateway): number[] =>
  gateway.logs.flatMap(({ event, pid }) => (event === 'listening' ? [Number(pid)] : []));

async function workersOf(gateway: Gateway): Promise<WorkerAnswer[]> {
  return (await gateway.status()).workers as WorkerAnswer[];
}

/** The processes that the primary has started, also such as have not said anything yet. */
const childrenOf = ({ pid }: Gateway): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);

/** Has the workers replaced, and waits for the first new process: it loads its program then. */
async function starting(gateway: Gateway): Promise<number> {
  const before = childrenOf(gateway);
  process.kill(gateway.pid, 'SIGUSR2');
  return eventually(() => childrenOf(gateway).find((pid) => !before.includes(pid)), 5000);
}

/** Waits until every worker has answered, and these are so many. */
function allServe(gateway: Gateway, count: number): Promise<number[]> {
  return eventually(async () => {
    const workers = await workersOf(gateway);
    return workers.length === count && workers.every(({ answered }) => answered) && workers.map(({ pid }) => pid!);
  }, 15_000);
}

/** Waits until every worker listens. */
async function allListen(gateway: Gateway): Promise<number[]> {
  const pids = await allServe(gateway, 2);
  await eventually(() => pids.every((pid) => pidsOf(gateway).includes(pid)), 10_000);
  return pids;
}

describe('several workers', function () {
  this.timeout(60_000);
  let world: World;

  beforeEach(async () => {
    world = await startWorld({ SISYPHUS_WORKERS: '2', SISYPHUS_DRAIN: '1s' });
    await allListen(world.gateway);
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

  it('that are killed leave no connection open that they had not taken yet', async () => {
    const { gateway } = world;
    const [first] = await allListen(gateway);
    process.kill(first!, 'SIGSTOP');
    const streams: RawStream[] = [];
    for (let i = 0; i < 4; i++) streams.push(world.open({ path: '/?user=1' }));
    // The other worker has all but the one that was handed to the first.
    await eventually(() => streams.filter(({ status }) => status === 200).length === 3, 5000);
    const silent = streams.find(({ status }) => status !== 200)!;
    process.kill(first!, 'SIGKILL');
    await silent.until(({ closed }) => closed, 5000);
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

  it('stop in good order while one of them is starting, and that one never listens', async () => {
    const { gateway } = world;
    const next = await starting(gateway);
    gateway.kill('SIGTERM');
    expect(await within(gateway.exited, 8000, 'the gateway to stop')).to.deep.equal({ code: 0, signal: null });
    expect(pidsOf(gateway)).not.to.include(next);
  });

  it('stop in good order while one of them waits for Redis, and that one never listens', async () => {
    const { gateway, redis } = world;
    redis.kill('SIGSTOP');
    try {
      const next = await starting(gateway);
      await eventually(
        async () => (await workersOf(gateway)).some(({ pid, answered }) => answered && pid === next),
        5000,
      );
      gateway.kill('SIGTERM');
      expect(await within(gateway.exited, 12_000, 'the gateway to stop')).to.deep.equal({ code: 0, signal: null });
      expect(pidsOf(gateway)).not.to.include(next);
    } finally {
      redis.kill('SIGCONT');
    }
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

describe('workers that are starting when the secrets change', function () {
  this.timeout(60_000);

  it('take the new ones', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'workers-'));
    const file = join(folder, 'secrets');
    writeFileSync(file, 'web:before\n');
    const redis = await startRedis();
    const gateway = await startGateway({
      REDIS_URL: redis.url,
      SISYPHUS_WORKERS: '2',
      SISYPHUS_PUBLISH_SECRET_FILE: file,
    });
    try {
      await allServe(gateway, 2);
      await starting(gateway);
      writeFileSync(file, 'web:after\n');
      process.kill(gateway.pid, 'SIGHUP');
      await gateway.waitForLog(({ event }) => event === 'workers_replaced', 30_000);
      const publish = async (secret: string): Promise<number> => {
        const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json', connection: 'close' };
        const body = JSON.stringify({ channel: 'room:1', data: 'x' });
        return (await fetch(`${gateway.url}/publish`, { method: 'POST', headers, body })).status;
      };
      // Each request is a connection of its own, and the workers take turns.
      for (let i = 0; i < 4; i++) {
        expect(await publish('before')).to.equal(401);
        expect(await publish('after')).to.equal(200);
      }
    } finally {
      await gateway.stop();
      await redis.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

describe('workers of which one dies while a file of the certificates for Redis is wrong', function () {
  this.timeout(60_000);

  it('are started with the certificates that were kept', async () => {
    const authority = await Authority.create('ours');
    const { cert, key } = await authority.issue('redis', { names: 'IP:127.0.0.1' });
    const client = await authority.issue('client');
    const port = String(await freePort());
    const files = ['--tls-ca-cert-file', authority.cert, '--tls-cert-file', cert, '--tls-key-file', key];
    const redis = await startRedis({ args: ['--tls-port', port, '--tls-auth-clients', 'yes', ...files] });
    const flags = ['--redis-ca', authority.cert, `--redis-cert=${client.cert}`];
    const env = { REDIS_URL: `rediss://127.0.0.1:${port}`, SISYPHUS_WORKERS: '2', SISYPHUS_REDIS_KEY: client.key };
    const gateway = await startGateway(env, undefined, flags);
    try {
      const [first, second] = await allListen(gateway);
      writeFileSync(client.key, 'no key');
      process.kill(gateway.pid, 'SIGHUP');
      await gateway.waitForLog(({ event }) => event === 'certificates_kept');
      process.kill(first!, 'SIGKILL');
      await gateway.waitForLog(({ event, pid }) => event === 'listening' && pid !== first && pid !== second, 15_000);
      await allListen(gateway);
      await eventually(async () => (await readMetrics(gateway.url)).get('sisyphus_ready') === 1, 10_000);
    } finally {
      await gateway.stop();
      await redis.stop();
      await authority.remove();
    }
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
