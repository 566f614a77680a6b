import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { postPublish } from '../support/publisher.ts';
import { openOk } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const LIST = 'web:web-one\n# of the jobs\njobs:jobs-one:room:*,user:[1-5]\n';

describe('publish secrets', function () {
  this.timeout(30_000);
  let folder: string;
  let path: string;
  let redis: RedisServer;
  let gateway: Gateway;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sisyphus-test-'));
    path = join(folder, 'secrets');
    redis = await startRedis();
  });

  after(async () => {
    await redis.stop();
    rmSync(folder, { recursive: true });
  });

  afterEach(() => gateway?.stop());

  async function start(env: Record<string, string> = {}): Promise<void> {
    writeFileSync(path, LIST);
    gateway = await startGateway({ REDIS_URL: redis.url, SISYPHUS_PUBLISH_SECRET_FILE: path, ...env });
  }

  async function post(secret: string, path: string, body: unknown): Promise<[number, Record<string, unknown>]> {
    const response = await postPublish(gateway.url, JSON.stringify(body), { path, secret });
    return [response.status, (await response.json()) as Record<string, unknown>];
  }

  const publish = async (secret: string, channel = 'room:1'): Promise<number> =>
    (await post(secret, '/publish', { channel, data: 'x' }))[0];

  const log = (): string => JSON.stringify(gateway.logs);

  it('publish only where their patterns say, and the refusal names the channel and the secret', async () => {
    await start();
    expect(await publish('web-one', 'folder:1')).to.equal(200);
    expect(await publish('jobs-one')).to.equal(200);
    expect(await publish('jobs-two')).to.equal(401);
    const [status, answer] = await post('jobs-one', '/publish', { channel: 'folder:1', data: 'x' });
    expect(status).to.equal(403);
    expect(answer).to.deep.equal({
      error: 'forbidden_channel',
      message: 'the secret "jobs" may not publish to folder:1: expected a channel that its patterns match',
    });
    for (const secret of ['web-one', 'jobs-one', 'jobs-two']) expect(log()).not.to.contain(secret);
  });

  it('publish all of a batch, or nothing', async () => {
    await start();
    const client = redis.client();
    const count = async (): Promise<unknown> => client.get('sisyphus:{0}:channel:room:batch:msg_id');
    const batch = [
      { channel: 'room:batch', data: 'a' },
      { channel: 'folder:batch', data: 'b' },
    ];
    const [status, answer] = await post('jobs-one', '/publish', batch);
    expect([status, answer.message]).to.deep.equal([
      403,
      'message [1]: the secret "jobs" may not publish to folder:batch: expected a channel that its patterns match',
    ]);
    expect(await count()).to.equal(null);
    expect((await post('web-one', '/publish', batch))[0]).to.equal(200);
    expect(await count()).not.to.equal(null);
  });

  it('grant and revoke only if they may publish to the user and to the channel, and the log says by which one', async () => {
    await start();
    for (const verb of ['grant', 'revoke'] as const) {
      const [status, { id }] = await post('jobs-one', `/${verb}`, { user: 5, channel: 'room:9' });
      expect(status).to.equal(200);
      const line = await gateway.waitForLog(({ event, action }) => event === 'audit' && action === verb);
      expect(line).to.deep.include({ user: '5', channel: 'room:9', id, by: 'jobs', level: 'info' });
      for (const body of [
        { user: '6', channel: 'room:9' },
        { user: '5', channel: 'folder:9' },
      ]) {
        expect((await post('jobs-one', `/${verb}`, body))[1]).to.have.property('error', 'forbidden_channel');
      }
    }
    expect(await redis.client().exists('user:6:channels')).to.equal(0);
    expect(gateway.logs.filter(({ event }) => event === 'audit')).to.have.length(2);
  });

  for (const workers of [1, 2]) {
    it(`are read again on SIGHUP, and nobody is dropped (${workers} workers)`, async () => {
      await start({ SISYPHUS_WORKERS: String(workers) });
      const streams = await Promise.all(Array.from({ length: 4 }, () => openOk({ port: gateway.port })));
      const everywhere = async (secret: string, expected: number): Promise<void> => {
        // Each request is a connection of its own, and the workers take turns.
        const found = await Promise.all(Array.from({ length: 8 }, () => publish(secret)));
        expect(found, secret).to.deep.equal(Array(8).fill(expected));
      };
      await everywhere('web-one', 200);
      writeFileSync(path, 'web:web-two\nnew:new-one\n');
      process.kill(gateway.pid, 'SIGHUP');
      await gateway.waitForLog(({ event, names }) => event === 'publish_secrets' && String(names) === 'web,new');
      await eventually(async () => (await publish('web-two')) === 200 && (await publish('new-one')) === 200);
      for (const [secret, status] of [
        ['web-two', 200],
        ['new-one', 200],
        ['web-one', 401],
        ['jobs-one', 401],
      ] as const) {
        await eventually(async () => everywhere(secret, status).then(() => true));
      }
      await keepsOld(everywhere);
      expect(streams.filter(({ closed }) => closed)).to.deep.equal([]);
      for (const stream of streams) stream.close();
      if (workers > 1) await survivesIts(everywhere);
      expect(log()).not.to.match(/(?:web|new|jobs)-(?:one|two)/);
    });
  }

  /** A file that has become wrong changes nothing, and the log says what is wrong. */
  async function keepsOld(everywhere: (secret: string, expected: number) => Promise<void>): Promise<void> {
    writeFileSync(path, 'web:web-three\nweb-four\n');
    process.kill(gateway.pid, 'SIGHUP');
    const line = await gateway.waitForLog(({ event }) => event === 'publish_secrets_kept');
    expect(line).to.include({ level: 'error', file: path });
    expect(line.reason).to.match(/^SISYPHUS_PUBLISH_SECRET_FILE is no list of secrets: line 2 has no colon/);
    await everywhere('web-two', 200);
    await everywhere('web-three', 401);
  }

  /** A worker that is started later has the secrets in force, and not those of the file. */
  async function survivesIts(everywhere: (secret: string, expected: number) => Promise<void>): Promise<void> {
    const worker = Number(gateway.logs.find(({ pid, event }) => event === 'listening' && pid !== gateway.pid)!.pid);
    process.kill(worker, 'SIGKILL');
    const isLater = ({ event, pid }: Record<string, unknown>): boolean => event === 'listening' && pid !== worker;
    await eventually(() => gateway.logs.filter(isLater).length === 2, 10_000);
    // A kept connection to the worker that was killed fails once.
    await eventually(async () => everywhere('new-one', 200).then(() => true));
  }

  it('are not on /status', async () => {
    gateway = await startGateway({ REDIS_URL: redis.url, SISYPHUS_PUBLISH_SECRET: 'a:hunter2\n' });
    expect(JSON.stringify(await gateway.status())).not.to.contain('hunter2');
  });

  it('are chosen by the command line: of several the first one that may publish there', async () => {
    await start();
    const env = { SISYPHUS_URL: gateway.url, SISYPHUS_PUBLISH_SECRET: 'jobs:jobs-one:room:*,user:*\nweb:web-one\n' };
    for (const [args, by] of [
      [['grant', '5', 'room:1'], 'jobs'],
      [['grant', '5', 'folder:1'], 'web'],
    ] as const) {
      expect((await runCommand([...args], { env })).code).to.equal(0);
      await gateway.waitForLog((line) => line.event === 'audit' && line.channel === args[2] && line.by === by);
    }
    const byFile = { SISYPHUS_URL: gateway.url, SISYPHUS_PUBLISH_SECRET_FILE: path };
    expect((await runCommand(['publish', 'folder:1', 'x'], { env: byFile })).code).to.equal(0);
    const lone = { SISYPHUS_URL: gateway.url, SISYPHUS_PUBLISH_SECRET: 'web:web-one' };
    expect((await runCommand(['publish', 'folder:1', 'x'], { env: lone })).code).to.equal(0);
    const none = { SISYPHUS_URL: gateway.url, SISYPHUS_PUBLISH_SECRET: 'jobs:jobs-one:room:*' };
    const refused = await runCommand(['publish', 'folder:1', 'x'], { env: none });
    expect([refused.code, refused.stderr.includes('may not publish to folder:1')]).to.deep.equal([1, true]);
  });
});
