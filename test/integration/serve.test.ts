import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Child } from '../support/child.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'bin/sisyphus');
const shell = promisify(execFile);

const started: Child[] = [];

function start(args: string[], env: Record<string, string> = {}, command = BIN): Child {
  const child = new Child(command, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', ...env },
  });
  started.push(child);
  return child;
}

function logs(child: Child): Record<string, unknown>[] {
  return child.stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line)] : []));
}

function listening(child: Child, times = 1): Promise<number> {
  return eventually(() => {
    const lines = logs(child).filter(({ event }) => event === 'listening');
    if (child.exit) throw new Error(child.output());
    return lines.length >= times && Number(lines[0].port);
  }, 15_000);
}

function privateRedis(child: Child): number {
  const line = logs(child).find(({ event }) => event === 'private_redis');
  return Number(new URL(String(line?.url)).port);
}

async function isOpen(port: number): Promise<boolean> {
  const answered = await shell('redis-cli', ['-p', String(port), 'PING']).catch(() => ({ stdout: '' }));
  return answered.stdout.startsWith('PONG');
}

/** A stream whose first frame has been read; settles later with all that followed. */
async function openStream(port: number): Promise<{ rest: Promise<string> }> {
  const response = await fetch(`http://127.0.0.1:${port}/?user=1`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  const readAll = async (): Promise<string> => {
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    return text;
  };
  // Cut by a test that kills the gateway: nobody reads it then.
  const rest = readAll();
  rest.catch(() => {});
  return { rest };
}

describe('bin/sisyphus serve', () => {
  afterEach(async () => {
    for (const child of started.splice(0)) {
      child.kill('SIGKILL');
      await child.exited;
    }
  });

  it('runs with a Redis of its own, and takes it along when SIGTERM ends it with 0', async () => {
    const child = start(['serve']);
    const port = await listening(child);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).to.equal(200);
    const redis = privateRedis(child);
    expect(await isOpen(redis)).to.equal(true);
    expect(child.stdout).to.contain(`redis-cli -p ${redis} PUBLISH room:1 `);
    expect(await child.end('SIGTERM')).to.deep.equal({ code: 0, signal: null });
    expect(await isOpen(redis)).to.equal(false);
  });

  it('ends at once, with 1, at the second signal, and its Redis too', async () => {
    const child = start(['serve', '--drain', '1m']);
    const port = await listening(child);
    for (let i = 0; i < 10; i++) await openStream(port);
    child.kill('SIGINT');
    await eventually(() => logs(child).some(({ event }) => event === 'draining'));
    const watch = new Stopwatch(() => ({ gateways: [child.pid] }));
    child.kill('SIGINT');
    expect(await child.exited).to.deep.equal({ code: 1, signal: null });
    expect(watch.elapsed).to.be.below(1_000);
    await eventually(async () => !(await isOpen(privateRedis(child))));
  });

  it('says in one line that the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const child = start(['serve'], { PORT: String(port) });
    expect(await child.exited).to.deep.equal({ code: 1, signal: null });
    expect(child.stderr).to.equal(`sisyphus: port ${port} on 127.0.0.1 is taken: PORT or --port names another\n`);
    const dev = start([], { PORT: String(port) }, join(ROOT, 'bin/dev'));
    expect((await dev.exited).code).to.equal(1);
    expect(dev.stderr).to.equal(`Port ${port} is taken. Another one: PORT=${port + 1} bin/dev\n`);
    other.close();
  });

  it('ends with 2 and all mistakes of its configuration', async () => {
    const child = start(['serve', '--drain', '3'], { SISYPHUS_WORKERS: '0', SISYPHUS_WRKERS: '2' });
    expect(await child.exited).to.deep.equal({ code: 2, signal: null });
    expect(child.stderr.match(/^sisyphus: /gm)).to.have.length(3);
  });

  it('logs what nobody caught, and ends with 1', async () => {
    for (const crash of [`setTimeout(() => { throw new Error('boom') })`, `Promise.reject(new Error('boom'))`]) {
      const program = `import { endOnCrash } from './dist/cli/lifecycle.js'; import { createLogger } from './dist/logger.js';
        endOnCrash(createLogger('info')); setInterval(() => {}, 1000); ${crash};`;
      const child = start(['--input-type=module', '-e', program], {}, process.execPath);
      expect(await child.exited).to.deep.equal({ code: 1, signal: null });
      expect(logs(child)[0])
        .to.include({ level: 'fatal', event: 'crashed' })
        .and.to.nested.include({ 'err.message': 'boom' });
    }
  });

  it('gives the demo user two channels, and prints lines that work as they stand', async () => {
    const child = start(['serve', '--demo']);
    const port = await listening(child);
    await eventually(() => child.stdout.includes('Ctrl-C'));
    const lines = child.stdout.split('\n').map((line) => line.trim());
    const publish = lines.filter((line) => /^(redis-cli|bin\/sisyphus) /.test(line));
    expect(publish.map((line) => line.split(' ')[0])).to.deep.equal(['redis-cli', 'redis-cli', 'bin/sisyphus']);
    const curl = lines.find((line) => line.startsWith('curl'))!;
    expect(curl).to.equal(`curl -N 'http://localhost:${port}/?user=1'`);
    const reader = start(['-c', curl.replace('curl', 'exec curl -s')], {}, 'sh');
    await eventually(() => reader.stdout.includes('ok'));
    for (const line of publish) await shell('sh', ['-c', line], { cwd: ROOT });
    await eventually(() => reader.stdout.match(/^data: <message>hello<\/message>$/gm)?.length === 3);
  });

  it('lets pages of this machine read the demo, whatever their port, and no others', async () => {
    const port = await listening(start(['serve', '--demo']));
    const allowed = async (path: string, origin: string): Promise<string | null> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Origin: origin } });
      await response.body?.cancel();
      return response.headers.get('Access-Control-Allow-Origin');
    };
    const own = ['http://localhost:5173', 'http://localhost', 'https://127.0.0.1:8443', 'http://[::1]:3000'];
    const others = ['null', 'http://localhost.example.com', 'http://example.com:3000', 'http://127.0.0.1.example.com'];
    for (const path of ['/stream?user=1', '/position']) {
      for (const origin of own) expect(await allowed(path, origin), origin).to.equal(origin);
      for (const origin of others) expect(await allowed(path, origin), origin).to.equal(null);
    }
    // The console can do everything, so it answers its own page alone.
    for (const path of ['/console/stream?user=1', '/console/reports', '/console/rights?user=1', '/console/session']) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Origin: own[0]! } });
      expect(response.status, path).to.equal(403);
      await response.body?.cancel();
    }
  });

  it('shows no stream of the demo user where an address names nobody', async () => {
    const child = start(['serve', '--demo'], { SISYPHUS_AUTH: 'token' });
    await eventually(() => child.stdout.includes('Ctrl-C'));
    expect(child.stdout).to.include('bin/sisyphus publish').and.not.to.include('curl -N');
  });

  it('lets no page of another port read without the demo', async () => {
    const port = await listening(start(['serve']));
    const response = await fetch(`http://127.0.0.1:${port}/position`, { headers: { Origin: 'http://localhost:5173' } });
    expect(response.headers.get('Access-Control-Allow-Origin')).to.equal(null);
  });
});

describe('bin/sisyphus serve with workers', () => {
  const workersOf = async (child: Child): Promise<number[]> => {
    const { stdout } = await shell('ps', ['-o', 'pid=,args=', '--ppid', String(child.pid)]);
    return stdout.split('\n').flatMap((line) => (/sisyphus serve/.test(line) ? [Number.parseInt(line, 10)] : []));
  };

  afterEach(async () => {
    for (const child of started.splice(0)) {
      child.kill('SIGKILL');
      await child.exited;
    }
  });

  it('shares one port and one private Redis, and replaces a worker that dies', async () => {
    const child = start(['serve', '--workers', '2', '--drain', '1s']);
    const port = await listening(child, 2);
    expect(new Set(logs(child).flatMap((line) => (line.event === 'listening' ? [line.port] : [])))).to.deep.equal(
      new Set([port]),
    );
    expect(logs(child).filter(({ event }) => event === 'private_redis')).to.have.length(1);
    const before = await workersOf(child);
    for (const worker of before) process.kill(worker, 'SIGKILL');
    await listening(child, 4);
    expect(await workersOf(child))
      .to.have.length(2)
      .and.not.to.include.members(before);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).to.equal(200);
    expect(await child.end('SIGTERM')).to.deep.equal({ code: 0, signal: null });
    expect(await isOpen(privateRedis(child))).to.equal(false);
  });

  it('keeps the port it got if the worker that has it dies before the next one listens', async () => {
    const child = start(['serve', '--workers', '2', '--drain', '1s']);
    const [late] = await eventually(async () => {
      const workers = await workersOf(child);
      return workers.length === 2 && workers;
    });
    process.kill(late!, 'SIGSTOP');
    const port = await listening(child);
    const [first] = logs(child).filter(({ event }) => event === 'listening');
    expect(first!.pid).not.to.equal(late);
    process.kill(Number(first!.pid), 'SIGKILL');
    await eventually(() => logs(child).some(({ event }) => event === 'worker_died'));
    process.kill(late!, 'SIGCONT');
    const onPort = () => logs(child).filter((line) => line.event === 'listening' && line.port === port);
    await eventually(() => onPort().length === 3, 10_000);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).to.equal(200);
  });

  it('drains when a terminal or systemd signals every process of it', async () => {
    const child = start(['serve', '--workers', '2', '--drain', '1s']);
    const port = await listening(child, 2);
    const { rest } = await openStream(port);
    const workers = await workersOf(child);
    for (const pid of [...workers, child.pid]) process.kill(pid, 'SIGTERM');
    expect(await rest).to.match(/retry: \d+/);
    expect(await child.exited).to.deep.equal({ code: 0, signal: null });
    expect(logs(child).filter(({ event }) => event === 'worker_died')).to.deep.equal([]);
  });

  it('ends with its port taken, and ends with 2 without any Redis', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const taken = start(['serve', '--workers', '2'], { PORT: String(port) });
    expect((await taken.exited).code).to.equal(1);
    expect(taken.stderr).to.contain(`port ${port} on 127.0.0.1 is taken`);
    other.close();

    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
    for (const name of ['node', 'env', 'sh']) {
      const { stdout } = await shell('sh', ['-c', `command -v ${name}`]);
      await symlink(stdout.trim(), join(folder, name));
    }
    const lonely = start(['serve', '--workers', '2'], { PATH: folder });
    expect((await lonely.exited).code).to.equal(2);
    expect(lonely.stderr).to.match(/^sisyphus: SISYPHUS_WORKERS=2 needs a Redis that all workers share: [^\n]*\n$/);
    await rm(folder, { recursive: true });
  });
});

describe('bin/dev', () => {
  it('builds, runs the demo, and ends all that it started at Ctrl-C', async () => {
    // A process group of its own, which Ctrl-C in a terminal signals as a whole.
    const child = spawn(join(ROOT, 'bin/dev'), [], {
      detached: true,
      env: { ...process.env, PORT: '0', SISYPHUS_LOG_LEVEL: 'info' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    try {
      await eventually(() => output.includes('Ctrl-C') || child.exitCode !== null, 60_000);
      expect(child.exitCode, output).to.equal(null);
      const redis = Number(/redis-cli -p (\d+)/.exec(output)![1]);
      expect(await isOpen(redis)).to.equal(true);
      process.kill(-child.pid!, 'SIGINT');
      const [code] = await once(child, 'exit');
      expect(code).to.equal(0);
      expect(await isOpen(redis)).to.equal(false);
    } finally {
      if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL');
    }
  }).timeout(90_000);
});
