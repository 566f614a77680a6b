import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { load as parseYaml } from 'js-yaml';
import { loadConfig } from '../../src/config/config.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { cloneTo, linkPackages, ROOT } from '../support/checkout.ts';
import { Child, freePort } from '../support/child.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually, within } from '../support/wait.ts';

const run = promisify(execFile);
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

interface Manifest {
  name: string;
  version: string;
  bin: Record<string, string>;
  dependencies: Record<string, string>;
  private?: boolean;
}

interface Service {
  command?: string[];
  ports?: string[];
  environment?: Record<string, string | null>;
}

interface Lock {
  packages: Record<string, { dev?: boolean }>;
}

const MANIFEST = JSON.parse(read('package.json')) as Manifest;

/** A lock file for a folder with this package alone, so that npm takes the others from its cache and asks for no list of versions. */
function lockFor(tarball: string): unknown {
  const { packages } = JSON.parse(read('package-lock.json')) as Lock;
  const { '': root, ...others } = packages;
  const needed = Object.entries(others).filter(([, { dev }]) => dev !== true);
  const { name, version, bin, dependencies } = MANIFEST;
  const own = { version, resolved: `file:${tarball}`, bin, dependencies };
  return {
    name: 'empty',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'empty', dependencies: { [name]: `file:${tarball}` } },
      [`node_modules/${name}`]: own,
      ...Object.fromEntries(needed),
    },
  };
}

/** A page in TypeScript. What it does with frames compiles only if their types are told apart by `type`. */
const PAGE = `
import { type Frame, type MessageFrame, Sisyphus, type Status } from 'sisyphus-gateway/client';
import { poll } from 'sisyphus-gateway/client/poll';

const stream = new Sisyphus('/stream', { since: '1', credential: async () => undefined, through: [poll({ patience: 2000 })] });
const away: () => void = stream.channel<{ text: string }>('room:918', ({ data }) => data.text.trim());
stream.on('status', ({ state }: Status) => state satisfies 'connecting' | 'ok' | 'error' | 'failure' | 'closed');
stream.load('room:918', async ({ signal }) => (await fetch('/state', { signal })).json() as Promise<number[]>, (state) => state.at(-1));
stream.on('frame', (frame: Frame) => {
  if (frame.type === 'message') frame satisfies MessageFrame;
  else if (frame.type === 'reset') frame.reason satisfies string;
  // @ts-expect-error a noop has no data
  else if (frame.type === 'noop') frame.data;
});
// @ts-expect-error there is no such event
stream.on('nothing', () => {});
away();
`;

/** What the Dockerfile says of the image itself. */
const lastStage = (): string =>
  read('Dockerfile')
    .split(/^FROM /m)
    .at(-1)!;

/** Whether the gateway delivers: what is published on Redis arrives on a stream. */
async function delivers(port: number, redis: RedisServer): Promise<void> {
  const client = redis.client();
  await client.sadd('user:1:channels', 'room:1');
  const curl = new Child('curl', ['-sSN', `http://127.0.0.1:${port}/stream?user=1`]);
  try {
    await eventually(() => curl.stdout.includes('<status>ok</status>'), 10_000);
    await client.publish('room:1', 'hello');
    await eventually(() => curl.stdout.includes('data: hello'), 10_000);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${curl.output()}`);
  } finally {
    await curl.end('SIGKILL');
  }
}

function portOf(child: Child): Promise<number> {
  return eventually(() => {
    if (child.exit) throw new Error(child.output());
    const [, port] = /"event":"listening".*?"port":(\d+)/.exec(child.stdout) ?? [];
    return port !== undefined && Number(port);
  }, 20_000);
}

describe('what is shipped', function () {
  this.timeout(180_000);
  let redis: RedisServer;
  let folder: string;
  /** Where the package is installed. */
  let empty: string;
  const env = () => ({ PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', REDIS_URL: redis.url });

  before(async () => {
    redis = await startRedis();
    folder = mkdtempSync(join(tmpdir(), 'sisyphus-package-'));
    empty = join(folder, 'empty');
  });

  after(async () => {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('may be published', () => {
    expect(MANIFEST.private).to.equal(undefined);
  });

  it('is built by npm pack in a clean clone, installed into an empty folder, and run by npx under the name of the package', async () => {
    const clone = join(folder, 'clone');
    cloneTo(clone);
    linkPackages(clone);
    mkdirSync(empty);
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', empty], { cwd: clone });
    const [, tarball] = /"filename": "(.*)"/.exec(stdout)!;
    expect(tarball).to.equal(`sisyphus-gateway-${MANIFEST.version}.tgz`);
    writeFileSync(
      join(empty, 'package.json'),
      JSON.stringify({ dependencies: { [MANIFEST.name]: `file:${tarball}` } }),
    );
    writeFileSync(join(empty, 'package-lock.json'), JSON.stringify(lockFor(tarball!)));
    await run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: empty });
    const gateway = new Child('npx', ['--no', MANIFEST.name, 'serve'], { cwd: empty, env: env() });
    try {
      await delivers(await portOf(gateway), redis);
    } finally {
      // npx passes no signal on, as the documents say.
      const [, pid] = /"pid":(\d+)/.exec(gateway.stdout) ?? [];
      if (pid !== undefined) process.kill(Number(pid), 'SIGTERM');
      else gateway.kill('SIGKILL');
      await within(gateway.exited, 20_000, 'the gateway to end');
    }
    expect(gateway.stdout).to.include('"event":"stopped"');
    const { stdout: version } = await run(join(empty, 'node_modules/.bin/sisyphus'), ['--version']);
    expect(version).to.include(MANIFEST.version);
    const { stdout: help } = await run(join(empty, 'node_modules/.bin/sisyphus'), ['status', '--help']);
    expect(help, 'what can be typed there').to.match(/^Usage: node_modules\/\.bin\/sisyphus status /);
  });

  for (const [resolution, module] of [
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ]) {
    it(`has types of the client for a project that finds its modules as ${resolution} does`, async () => {
      writeFileSync(join(empty, 'page.ts'), PAGE);
      const types = readFileSync(join(empty, 'node_modules', MANIFEST.name, 'dist/client/client.d.ts'), 'utf8');
      expect(types)
        .to.match(/from '.\/frames.js'/)
        .and.not.match(/\.tsx?'/);
      const flags = ['--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022'];
      const way = ['--lib', 'es2023,dom', '--types', '', '--moduleResolution', resolution!, '--module', module!];
      const check = new Child(join(ROOT, 'node_modules/.bin/tsc'), [...flags, ...way, 'page.ts'], { cwd: empty });
      expect(await check.exited, check.output()).to.have.property('code', 0);
    });
  }

  it('as an image has all that the gateway needs, and its health check tells whether the gateway answers', async () => {
    const image = join(folder, 'image');
    mkdirSync(image);
    // The packages of the checkout stand for those without the ones for development, which the test above installs.
    linkPackages(image);
    const copied = [...lastStage().matchAll(/^COPY (?:--from=build \/app\/)?(\S+) (\S+)$/gm)];
    for (const [, from, to] of copied.filter(([, from]) => from !== 'node_modules')) {
      cpSync(join(ROOT, from!), join(image, to!, to!.endsWith('/') ? from!.split('/').at(-1)! : ''), {
        recursive: true,
      });
    }
    const [port, away] = [await freePort(), await freePort()];
    const own = { ...env(), HOST: '0.0.0.0', PORT: String(port) };
    const [, health] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(lastStage())!;
    const [, entry] = /^ENTRYPOINT (\[.*\])$/m.exec(lastStage())!;
    const [, command] = /^CMD (\[.*\])$/m.exec(lastStage())!;
    const [program, ...args] = [...JSON.parse(entry!), ...JSON.parse(command!)] as string[];
    const gateway = new Child(program!, args, { cwd: image, env: own });
    const check = (vars: NodeJS.ProcessEnv): Promise<unknown> => {
      const [tool, ...rest] = JSON.parse(health!) as string[];
      return run(tool!, rest, { cwd: image, env: vars });
    };
    try {
      await delivers(await portOf(gateway), redis);
      await check(own);
      await check({ ...own, HOST: '127.0.0.1' });
      const failed = await check({ ...own, PORT: String(away) }).catch(({ code }: { code: number }) => code);
      expect(failed).to.equal(1);
    } finally {
      await gateway.end('SIGTERM', 20_000);
    }
  });

  it('in an image has nothing that the build context keeps out', () => {
    const let_in = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, from]) =>
      from!.split(' '),
    );
    expect(let_in.map((line) => line.slice(1))).to.have.members(copied);
  });

  it('as an image runs as nobody, without a shell, on all addresses, and may build only in its first stage', () => {
    const stage = lastStage();
    expect(stage)
      .to.match(/^USER 1000:1000$/m)
      .and.match(/HOST=0\.0\.0\.0$/m)
      .and.match(/^STOPSIGNAL SIGTERM$/m);
    expect(stage).not.to.match(/^RUN /m);
    const images = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, name]) => name);
    expect(new Set(images).size).to.equal(1);
    expect(images).to.have.length(2);
  });

  it('is given longer to stop than a stop takes that hangs, by compose.yaml and by the unit', () => {
    const { drain, drainDelay } = loadConfig({}, {});
    const longest = (drain + drainDelay) / 1000 + 10;
    expect(Number(/stop_grace_period: (\d+)s/.exec(read('compose.yaml'))![1])).to.be.at.least(longest);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(read('deploy/sisyphus.service'))![1])).to.be.at.least(longest);
  });

  it('may open more files than there may be streams, by compose.yaml and by the unit', () => {
    const { maxStreams } = loadConfig({}, {});
    expect(Number(/nofile: \{ soft: (\d+)/.exec(read('compose.yaml'))![1])).to.be.above(maxStreams * 2);
    expect(Number(/^LimitNOFILE=(\d+)$/m.exec(read('deploy/sisyphus.service'))![1])).to.be.above(maxStreams * 2);
  });

  it('runs in compose with a Valkey that keeps its data, evicts nothing, and is reached by nobody else', () => {
    const { services } = parseYaml(read('compose.yaml')) as { services: Record<string, Service> };
    const { valkey, gateway } = services as { valkey: Service; gateway: Service };
    expect(valkey.command).to.include.members(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
    expect(valkey.ports).to.equal(undefined);
    expect(gateway.ports!.every((port) => port.startsWith('127.0.0.1:'))).to.equal(true);
    expect(gateway).to.include({ read_only: true, restart: 'unless-stopped' });
    const names = VARIABLES.map(({ name }) => name as string);
    expect(names).to.include.members(Object.keys(gateway.environment!));
  });

  it('runs under systemd, which finds nothing wrong with the unit and little to exploit', async () => {
    const unit = join(folder, 'sisyphus.service');
    // systemd looks for the program and the user.
    const text = read('deploy/sisyphus.service')
      .replace(/^User=.*/m, 'User=root')
      .replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true');
    writeFileSync(unit, text);
    const { stderr } = await run('systemd-analyze', ['verify', unit]);
    expect(stderr).to.equal('');
    // Tenths: 2.5 of 10.
    await run('systemd-analyze', ['security', '--offline=true', '--threshold=25', unit]);
  });
});
