import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { fcallPublisher, httpPublisher, PUBLISH_SECRET, postPublish } from '../support/publisher.ts';
import { openStream, type RawStream } from '../support/raw-stream.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { startRelay } from '../support/relay.ts';
import { eventually } from '../support/wait.ts';

const FILE = new URL('../../docs/run/redis-users.acl', import.meta.url);
const KEY = 'sisyphus:{0}';

function as(server: RedisServer, username: string): Redis {
  // As users with few rights do: INFO and CLIENT SETINFO, which the driver would send, are not allowed to all of them.
  const quiet = { enableReadyCheck: false, disableClientInfo: true };
  return server.client({ username, password: `change-me-${username}`, ...quiet });
}

function role(gateway: Gateway): Promise<unknown> {
  return gateway.status().then(({ recorder }) => (recorder as { role: string }).role);
}

async function reasonsOf({ url }: Gateway): Promise<string[]> {
  return ((await (await fetch(`${url}/readyz`)).json()) as { reasons?: string[] }).reasons ?? [];
}

describe('gateways and applications as the users in docs/run/redis-users.acl', function () {
  this.timeout(90_000);
  let folder: string;
  const servers: RedisServer[] = [];
  const gateways: Gateway[] = [];
  const streams: RawStream[] = [];

  async function redis(): Promise<RedisServer> {
    // ACL LOAD and a restart would read the file again, so each server has its own.
    const file = join(folder, `${servers.length}.acl`);
    await copyFile(FILE, file);
    const replica = ['--masteruser', 'admin', '--masterauth', 'change-me-admin', '--repl-diskless-sync-delay', '0'];
    const server = await startRedis({ args: ['--aclfile', file, ...replica] });
    servers.push(server);
    return server;
  }
  async function gateway(port: number, env: Record<string, string> = {}): Promise<Gateway> {
    const url = `redis://gateway:change-me-gateway@127.0.0.1:${port}`;
    const one = await startGateway({ REDIS_URL: url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET, ...env });
    gateways.push(one);
    return one;
  }
  async function open(one: Gateway, user: string, position?: string): Promise<RawStream> {
    const headers = position === undefined ? {} : { 'Last-Event-ID': position };
    const stream = await openStream({ port: one.port, path: `/?user=${user}`, headers }).ok();
    streams.push(stream);
    return stream;
  }
  const gets = (stream: RawStream, text: string, deadline = 8000): Promise<unknown> => {
    return stream.until(({ messages }) => messages.some(({ data }) => data === text), deadline);
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sisyphus-users-'));
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    for (const one of gateways.splice(0)) await one.stop();
    for (const server of servers.splice(0)) await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('do everything, and nothing is denied', async () => {
    const server = await redis();
    const [admin, app, plain] = ['admin', 'app', 'plain'].map((name) => as(server, name)) as [Redis, Redis, Redis];
    const first = await gateway(server.port);
    const second = await gateway(server.port, { SISYPHUS_BACKLOG_LENGTH: '500' });
    const cli = { REDIS_URL: `redis://app:change-me-app@127.0.0.1:${server.port}` };

    // Lists of each type: made by the application, changed by function, over HTTP and on the command line.
    await plain.sadd('user:1:channels', 'room:1');
    await admin.rpush('user:2:channels', 'room:1');
    await admin.zadd('user:3:channels', 1, 'room:1');
    const readers = await Promise.all(['1', '2', '3'].map((user, i) => open(i === 1 ? second : first, user)));
    const position = readers[0]!.lastEventId!;
    for (const user of ['1', '2', '3']) {
      await app.call('FCALL', 'sisyphus_grant', '1', KEY, user, 'room:2');
      await app.call('FCALL', 'sisyphus_revoke', '1', KEY, user, 'room:2');
      const change = JSON.stringify({ user, channel: 'room:3' });
      expect((await postPublish(first.url, change, { path: '/grant' })).status).to.equal(200);
      expect((await runCommand(['grant', user, 'room:4'], { env: cli })).code).to.equal(0);
    }
    const everybody = (text: string): Promise<unknown> => Promise.all(readers.map((reader) => gets(reader, text)));
    await plain.publish('room:1', 'plain');
    await fcallPublisher(app)('room:3', 'fcall');
    await httpPublisher(first.url)('room:1', 'http');
    expect((await runCommand(['publish', 'room:4', 'cli'], { env: cli })).code).to.equal(0);
    const batch = JSON.stringify({ channel: 'room:1', data: 'once' });
    for (let i = 0; i < 2; i++) {
      const headers = { 'Idempotency-Key': 'key' };
      expect((await postPublish(second.url, batch, { headers })).status).to.equal(200);
    }
    for (const text of ['plain', 'fcall', 'http', 'cli', 'once']) await everybody(text);

    // More than a page of replay, and with the last messages of each channel.
    const text = 'x'.repeat(20_000);
    for (let i = 0; i < 20; i++) await fcallPublisher(app)('room:1', `${i} ${text}`);
    await gets(await open(second, '1', position), `19 ${text}`);
    const last = openStream({ port: first.port, path: '/?user=1&overlap=2' });
    streams.push(last);
    await gets(last, `19 ${text}`);

    // Every connection is lost, also those of a gateway that a probe has opened.
    await admin.call('CLIENT', 'KILL', 'USER', 'gateway');
    await fcallPublisher(app)('room:1', 'healed');
    await everybody('healed');

    // The recorder changes, and with it the settings.
    const isFirst = (await role(first)) === 'leader';
    const [leader, other] = isFirst ? [first, second] : [second, first];
    leader.kill('SIGKILL');
    gateways.splice(gateways.indexOf(leader), 1);
    await eventually(async () => (await role(other)) === 'leader', 10_000, 50);
    await plain.publish('room:1', 'the next recorder');
    await gets(isFirst ? readers[1]! : readers[0]!, 'the next recorder');

    // The store and the functions are lost. Lists are the application's, and it writes them again.
    const rest = isFirst ? readers[1]! : readers[0]!;
    const user = isFirst ? '2' : '1';
    await admin.flushall();
    await plain.sadd(`user:${user}:channels`, 'room:1');
    await plain.publish(`user:${user}`, 'listed');
    await gets(rest, 'listed');
    await admin.call('FUNCTION', 'FLUSH');
    await httpPublisher(other.url)('room:1', 'loaded again');
    await gets(rest, 'loaded again');
    await admin.call('FUNCTION', 'FLUSH');
    await plain.publish('room:1', 'and by the recorder');
    await gets(rest, 'and by the recorder');

    const checked = await runCommand(['check-config', '--port', '0', '--redis'], {
      env: { REDIS_URL: `redis://gateway:change-me-gateway@127.0.0.1:${server.port}` },
    });
    expect(checked.stdout).to.match(/^redis allows +everything/m);
    expect(await reasonsOf(other)).to.deep.equal([]);
    expect(await admin.call('ACL', 'LOG')).to.deep.equal([]);
  });

  it('go on after a failover, and nothing is denied', async () => {
    const [old, next] = [await redis(), await redis()];
    const [before, after] = [as(old, 'admin'), as(next, 'admin')];
    await after.call('REPLICAOF', '127.0.0.1', String(old.port));
    await eventually(async () => /master_link_status:up/.test(await after.info('replication')));
    const relay = await startRelay({ targetPort: old.port });
    try {
      const one = await gateway(relay.port);
      await as(old, 'plain').sadd('user:1:channels', 'room:1');
      const stream = await open(one, '1');
      await fcallPublisher(as(old, 'app'))('room:1', 'before');
      await gets(stream, 'before');
      await eventually(async () => (await after.call('EXISTS', 'user:1:channels')) === 1);
      relay.retarget(next.port);
      await after.call('REPLICAOF', 'NO', 'ONE');
      await before.call('REPLICAOF', '127.0.0.1', String(next.port));
      await eventually(async () => (await role(one)) === 'leader', 15_000, 50);
      await eventually(() => fcallPublisher(as(next, 'app'))('room:1', 'fcall'), 10_000);
      await as(next, 'plain').publish('room:1', 'plain');
      for (const text of ['fcall', 'plain']) await gets(stream, text);
      expect(await before.call('ACL', 'LOG')).to.deep.equal([]);
      expect(await after.call('ACL', 'LOG')).to.deep.equal([]);
    } finally {
      await relay.stop();
    }
  });

  it('are warned of an append-only file that is loaded as a user who may not', async () => {
    const server = await redis();
    const admin = as(server, 'admin');
    await admin.config('SET', 'appendonly', 'yes');
    const one = await gateway(server.port);
    expect((await one.status()).warnings).to.not.include.members(['redis_drops_on_reload']);
    expect(JSON.stringify((await one.status()).warnings)).to.not.contain('drops what functions wrote');
    await admin.call('ACL', 'SETUSER', 'default', 'reset');
    const restarted = await gateway(server.port);
    const line = await restarted.waitForLog(({ event }) => event === 'redis_drops_on_reload').catch(() => undefined);
    // Later servers lose nothing, and are not warned of.
    const loses =
      !/valkey_version/.test(await admin.info('server')) &&
      /redis_version:([67]|8\.[0-5])\./.test(await admin.info('server'));
    expect(line !== undefined).to.equal(loses);
    const warnings = JSON.stringify((await restarted.status()).warnings);
    expect(warnings.includes('a restart of Redis drops what functions wrote: expected')).to.equal(loses);
  });

  it('name what is denied in the log and on /readyz, once', async () => {
    const server = await redis();
    const admin = as(server, 'admin');
    const one = await gateway(server.port);
    const denials: [string[], string][] = [
      [['-xadd', '-ping'], 'Redis refuses PING, XADD to user gateway: expected +ping +xadd in its ACL'],
      [
        ['resetchannels', '&user:*', '&*:*'],
        'Redis refuses channels sisyphus{0}/* to user gateway: expected &sisyphus{0}/* in its ACL',
      ],
    ];
    for (const [rules, reason] of denials) {
      await admin.call('ACL', 'SETUSER', 'gateway', ...rules);
      await admin.call('CLIENT', 'KILL', 'USER', 'gateway');
      await eventually(async () => (await reasonsOf(one)).includes(reason), 10_000, 50);
      await one.waitForLog((line) => line.event === 'redis_refuses' && line.reason === reason);
      await admin.call('ACL', 'LOAD');
      await one.waitForLog((line) => line.event === 'redis_refuses_no_more' && line.reason === reason, 15_000);
      const said = one.logs.filter((line) => line.event === 'redis_refuses' && line.reason === reason);
      expect(said).to.have.length(1);
    }
  });
});
