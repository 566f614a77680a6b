import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Child, freePort } from '../support/child.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { startRedis } from '../support/redis.ts';
import { eventually, within } from '../support/wait.ts';

const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));
const QUICK = { SISYPHUS_DRAIN: '0s' };
/** How long a stop may take without a drain (ms). */
const STOP = 10_000;

/** A stream whose first frame has been read; settles with all that followed. */
async function openStream(url: string): Promise<{ rest: Promise<string> }> {
  const response = await fetch(`${url}/?user=1`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  const readAll = async (): Promise<string> => {
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    return text;
  };
  const rest = readAll();
  rest.catch(() => {}); // cut where a test fails
  return { rest };
}

describe('the signals of bin/sisyphus serve', () => {
  let gateway: Gateway;

  afterEach(() => gateway?.stop());

  it('SIGHUP, SIGUSR2 and SIGPIPE end no stream where there is no terminal, and the log has them', async () => {
    gateway = await startGateway(QUICK);
    const { rest } = await openStream(gateway.url);
    for (const signal of ['SIGPIPE', 'SIGHUP', 'SIGUSR2'] as const) process.kill(gateway.pid, signal);
    for (const signal of ['SIGHUP', 'SIGUSR2']) {
      const line = await gateway.waitForLog((line) => line.event === 'signal' && line.signal === signal);
      expect(line).to.include({ ignored: true });
    }
    expect(await gateway.status()).to.include({ streams: 1, draining: false });
    gateway.kill('SIGTERM');
    expect(await rest).to.match(/retry: \d+/);
    expect(await gateway.exited).to.deep.equal({ code: 0, signal: null });
  });

  it('SIGQUIT drains', async () => {
    gateway = await startGateway(QUICK);
    const { rest } = await openStream(gateway.url);
    gateway.kill('SIGQUIT');
    expect(await rest).to.match(/retry: \d+/);
    expect(await within(gateway.exited, 3_000, 'the end')).to.deep.equal({ code: 0, signal: null });
  });
});

describe('SIGTERM while Redis stands still', () => {
  it('ends the gateway all the same, with 0 and a line', async () => {
    const redis = await startRedis();
    try {
      const gateway = await startGateway({ ...QUICK, REDIS_URL: redis.url });
      await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
      redis.kill('SIGSTOP');
      gateway.kill('SIGTERM');
      expect(await within(gateway.exited, 7_000, 'the end')).to.deep.equal({ code: 0, signal: null });
      expect(gateway.logs.slice(-2).map(({ event }) => event)).to.deep.equal(['recorder_left', 'stopped']);
    } finally {
      await redis.stop();
    }
  });
});

describe('a stop that does not come to its end', () => {
  it('is ended, with 1 and a line', async () => {
    const dist = join(dirname(BIN), '../dist');
    const program = `const { limitStop } = await import('${dist}/cli/lifecycle.js');
      const { createLogger } = await import('${dist}/logger.js');
      const { Output, writeAtExit } = await import('${dist}/output.js');
      const output = new Output(1);
      writeAtExit([output]);
      limitStop(createLogger('info', output), { drain: -9_900 }); setInterval(() => {}, 1000);`;
    const child = new Child(process.execPath, ['--input-type=module', '-e', program]);
    expect(await within(child.exited, 5_000, 'the end')).to.deep.equal({ code: 1, signal: null });
    expect(child.stdout).to.contain('"event":"stop_timed_out"');
  });
});

describe('bin/sisyphus serve in a terminal', function () {
  this.timeout(40_000);
  let folder: string;
  let script: Child;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
  });

  afterEach(async () => {
    script.kill('SIGKILL');
    await script.exited;
    await rm(folder, { recursive: true });
  });

  for (const workers of ['1', '2']) {
    it(`drains and ends with 0 when the terminal goes away (${workers} of them)`, async () => {
      const port = await freePort();
      const code = join(folder, 'code');
      // The shell is told of the end of the terminal. It hands it on, and notes how the gateway ends.
      const command = `trap 'kill -HUP $gateway' HUP
        '${BIN}' serve & gateway=$!
        while kill -0 $gateway; do wait $gateway; code=$?; done; echo $code > '${code}'`;
      const env = { ...process.env, ...QUICK, SISYPHUS_WORKERS: workers, PORT: String(port), SHELL: '/bin/sh' };
      script = new Child('/usr/bin/script', ['-qec', command, '/dev/null'], { cwd: folder, env });
      const url = `http://127.0.0.1:${port}`;
      await eventually(async () => (await fetch(`${url}/healthz`)).status === 200, 15_000, 50);
      script.kill('SIGKILL');
      expect(await eventually(() => readFile(code, 'utf8'), STOP)).to.equal('0\n');
    });
  }

  it('reads the secrets again on SIGHUP, and ends only when the terminal has gone away', async () => {
    const port = await freePort();
    const [code, pid, secrets] = ['code', 'pid', 'secrets'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(secrets, 'one:s3cret\n');
    const command = `trap 'kill -HUP $gateway' HUP
      '${BIN}' serve & gateway=$!; echo $gateway > '${pid}'
      while kill -0 $gateway; do wait $gateway; code=$?; done; echo $code > '${code}'`;
    const own = { PORT: String(port), SHELL: '/bin/sh', SISYPHUS_PUBLISH_SECRET_FILE: secrets };
    script = new Child('/usr/bin/script', ['-qec', command, '/dev/null'], {
      cwd: folder,
      env: { ...process.env, ...QUICK, ...own },
    });
    const url = `http://127.0.0.1:${port}`;
    await eventually(async () => (await fetch(`${url}/healthz`)).status === 200, 15_000, 50);
    process.kill(Number(await readFile(pid, 'utf8')), 'SIGHUP');
    await eventually(() => script.stdout.match(/publish_secrets/g)?.length === 2);
    // A terminal gets the log for people.
    expect(script.stdout).to.contain('INFO').and.not.to.contain('{"level"');
    expect((await fetch(`${url}/readyz`)).status).to.equal(200);
    script.kill('SIGKILL');
    expect(await eventually(() => readFile(code, 'utf8'), STOP)).to.equal('0\n');
  });
});
