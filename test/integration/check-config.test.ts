import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Child, type Exit, freePort } from '../support/child.ts';
import { runCommand } from '../support/command-line.ts';
import { eventually, within } from '../support/wait.ts';
import { startWorld } from '../support/world.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = process.env.TEST_GATEWAY ?? join(ROOT, 'bin/sisyphus');

async function run(command: string, env: Record<string, string>): Promise<Exit & { stderr: string }> {
  const child = new Child(process.execPath, [BIN, command], { env: { PATH: process.env.PATH, PORT: '0', ...env } });
  const exit = await within(child.exited, 10_000, `the end of ${command}`).finally(() => child.kill('SIGKILL'));
  return { ...exit, stderr: child.stderr };
}

describe('bin/sisyphus check-config', () => {
  const expectSame = async (env: Record<string, string>, expected: RegExp): Promise<void> => {
    const [served, checked] = await Promise.all([run('serve', env), run('check-config', env)]);
    expect(served.code).to.be.oneOf([1, 2]);
    expect(checked).to.deep.equal({ code: 2, signal: null, stderr: served.stderr });
    expect(checked.stderr).to.match(expected);
  };

  it('refuses a port that is taken, as serve does', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expectSame({ PORT: String(port) }, new RegExp(`^sisyphus: port ${port} on 127.0.0.1 is taken: [^\\n]*\\n$`));
    other.close();
  });

  it('warns of a port that a gateway has, because it may be the one that is to be restarted', async () => {
    const world = await startWorld();
    try {
      const env = { PORT: String(world.gateway.port), REDIS_URL: world.redis.url };
      const { code, stderr } = await runCommand(['check-config'], { env });
      expect(code, stderr).to.equal(0);
      expect(stderr).to.contain(`warning: port ${world.gateway.port} is that of a gateway that runs`);
    } finally {
      await world.stop();
    }
  });

  it('refuses a host that is none of this machine, as serve does', async () => {
    await expectSame({ HOST: '203.0.113.7' }, /^sisyphus: 203\.0\.113\.7 is no address of this machine: [^\n]*\n$/);
    await expectSame({ HOST: 'fe80::1' }, /^sisyphus: fe80::1 is [^\n]*\n$/);
  });

  it('refuses several workers without a Redis that they could share, as serve does, and a port with them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
    await symlink('/bin/sh', join(folder, 'sh'));
    const env = { PATH: folder, SISYPHUS_WORKERS: '2' };
    await expectSame(env, /^sisyphus: SISYPHUS_WORKERS=2 needs a Redis that all workers share: [^\n]*\n$/);
    const both = await run('check-config', { ...env, HOST: '203.0.113.7' });
    expect(both.stderr.match(/^sisyphus: /gm)).to.have.length(2);
    await rm(folder, { recursive: true });
  });

  it('warns of an address that lets other machines read as anybody', async () => {
    const { code, stderr } = await run('check-config', { HOST: '0.0.0.0' });
    expect(code).to.equal(0);
    expect(stderr).to.match(/^sisyphus: warning: SISYPHUS_AUTH=open [^\n]*HOST=0\.0\.0\.0[^\n]*\n$/);
  });

  it('warns of the default address in a container, where nobody reaches it', async () => {
    const container = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
    const [silent, said] = await Promise.all([
      run('check-config', { ...container, HOST: '127.0.0.1' }),
      run('check-config', container),
    ]);
    expect(silent.stderr).to.equal('');
    expect(said.code).to.equal(0);
    expect(said.stderr).to.match(/^sisyphus: warning: HOST=127\.0\.0\.1, the default, [^\n]*HOST=0\.0\.0\.0\n$/);
  });
});

describe('Procfile', () => {
  it('listens where a platform looks for it, and warns of who else may read there', async () => {
    const [, command] = /^web: (.*)$/m.exec(await readFile(join(ROOT, 'Procfile'), 'utf8'))!;
    const port = await freePort();
    const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, PORT: String(port), SISYPHUS_DRAIN: '0s' };
    const web = new Child('/bin/sh', ['-c', `exec ${command!.replace('bin/sisyphus', BIN)}`], { cwd: ROOT, env });
    try {
      // Whoever listens on 127.0.0.1 alone does not hear this one.
      const url = `http://127.0.0.2:${port}/status`;
      const answer = await eventually(async () => (await fetch(url)).json() as Promise<{ warnings: string[] }>, 15_000);
      expect(answer.warnings[0]).to.match(/^SISYPHUS_AUTH=open trusts \?user=, and HOST=0\.0\.0\.0 /);
      await eventually(() => web.stdout.includes('"event":"exposed"'));
    } finally {
      expect(await web.end('SIGTERM')).to.deep.equal({ code: 0, signal: null });
    }
  });
});
