import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { startPrivateRedis } from '../../src/store/private-redis.ts';

const MODULE = new URL('../../src/store/private-redis.ts', import.meta.url).href;

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await wait(20);
  }
}

const holders: ChildProcess[] = [];

/** A process that does nothing but hold a private Redis; it says where it is. */
async function startHolder(env: NodeJS.ProcessEnv) {
  const program = `
    const { startPrivateRedis } = await import(${JSON.stringify(MODULE)});
    const redis = await startPrivateRedis();
    console.log(JSON.stringify({ port: redis?.port ?? null }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  holders.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, port: JSON.parse(line.toString()).port as number | null };
}

describe('a private Redis', () => {
  let folder: string;

  const redisFolders = async () => (await readdir(folder)).filter((name) => name.startsWith('sisyphus-redis-'));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
  });

  after(() => rm(folder, { recursive: true }));

  afterEach(() => {
    for (const child of holders.splice(0)) child.kill('SIGKILL');
  });

  it('answers on a loopback port, takes functions, writes nothing, and is gone after close', async () => {
    const redis = await startPrivateRedis();
    expect(redis, 'redis-server is needed for this test').not.to.equal(undefined);
    const { url, port, close } = redis!;
    const client = new Redis(url);
    try {
      expect(await client.call('FUNCTION', 'LIST')).to.deep.equal([]);
      expect(await client.config('GET', 'save')).to.satisfy(
        (answer: unknown) => !JSON.stringify(answer).includes('3600'),
      );
      const directory = JSON.stringify(await client.config('GET', 'dir')).match(/\/[^"]*sisyphus-redis-[^"]*/)![0];
      expect(existsSync(directory)).to.equal(true);
      client.disconnect();
      await Promise.all([close(), close()]);
      await close();
      expect(await isListening(port)).to.equal(false);
      expect(existsSync(directory)).to.equal(false);
    } finally {
      client.disconnect();
      await close();
    }
  });

  it('starts beside another one', async () => {
    const [a, b] = await Promise.all([startPrivateRedis(), startPrivateRedis()]);
    try {
      expect(a!.port).not.to.equal(b!.port);
      expect(await isListening(a!.port)).to.equal(true);
      expect(await isListening(b!.port)).to.equal(true);
    } finally {
      await Promise.all([a!.close(), b!.close()]);
    }
  });

  it('ends with the gateway, folder and all, even when that is killed', async () => {
    const { child, port } = await startHolder({ ...process.env, TMPDIR: folder });
    expect(await isListening(port!)).to.equal(true);
    expect(await redisFolders()).to.have.length(1);
    child.kill('SIGKILL');
    await until('Redis is gone', async () => !(await isListening(port!)));
    await until('its folder is gone', async () => (await redisFolders()).length === 0);
  });

  it('is none where there is no redis-server and no valkey-server on the PATH', async () => {
    for (const path of [join(folder, 'nothing'), folder]) {
      if (path === folder) await symlink('/bin/sh', join(folder, 'sh'));
      const { child, port } = await startHolder({ ...process.env, PATH: path, TMPDIR: folder });
      child.kill('SIGKILL');
      expect(port).to.equal(null);
      expect(await redisFolders()).to.deep.equal([]);
    }
  });
});
