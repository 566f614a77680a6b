import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Child, freePort } from '../support/child.ts';
import { NamedPipe } from '../support/named-pipe.ts';
import { eventually, within } from '../support/wait.ts';

const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));
const DIST = join(dirname(BIN), '../dist');
const SERVE = `'${process.execPath}' '${BIN}' serve`;
const NODE = `'${process.execPath}' --input-type=module -e "$PROGRAM"`;

/** `many` lines of 64 KB in one go, of which 128 may wait, through the log of a server. */
const LOG_MANY = `
  const { createLogger } = await import('${DIST}/logger.js');
  const { Output, writeAtExit } = await import('${DIST}/output.js');
  const stdout = new Output(1);
  writeAtExit([stdout]);
  const logger = createLogger('info', stdout);
  const many = (count) => { for (let i = 0; i < count; i++) logger.info({ event: 'long', i, text: 'x'.repeat(65_400) }); };`;

type Line = Record<string, unknown>;

let folder: string;
let url: string;
let pipe: NamedPipe;
const started: Child[] = [];

/** A process behind a line of shell, which says where its output goes. */
function shell(command: string, env: Record<string, string> = {}): Child {
  const child = new Child('/bin/sh', ['-c', command], { cwd: folder, env: { PATH: '/nonexistent', ...env } });
  started.push(child);
  return child;
}

/** A gateway that keeps its messages in memory, because it finds no Redis. */
async function serve(redirection: string, env: Record<string, string> = {}, command = SERVE): Promise<Child> {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const own = { PORT: String(port), HOST: '127.0.0.1', SISYPHUS_DRAIN: '0s' };
  const child = shell(`exec ${command} ${redirection}`, { ...own, ...env });
  await eventually(async () => child.exit !== undefined || (await ask('/healthz')) === 200, 15_000, 50);
  return child;
}

async function ask(path: string): Promise<number> {
  try {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(4_000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0; // not there, or it stands still
  }
}

/** Each is a line in the log. */
async function refuse(requests: number): Promise<void> {
  for (let i = 0; i < requests; i++) expect(await ask('/nothing')).to.equal(404);
}

/** The first frame of a new stream: the gateway does its work. */
async function firstFrame(): Promise<string> {
  const response = await fetch(`${url}/?user=1`, { signal: AbortSignal.timeout(4_000) });
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return Buffer.from(value!).toString();
}

function parse(text: string): Line[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sisyphus-test-'));
  pipe = new NamedPipe(join(folder, 'pipe'));
});

afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
    await child.exited;
  }
  pipe.close();
  await rm(folder, { recursive: true });
});

describe('bin/sisyphus serve, where its log cannot be written', () => {
  it('opens streams and drains although the disk of both its outputs is full', async () => {
    const child = await serve('> /dev/full 2>&1');
    await refuse(3);
    expect(await firstFrame()).to.contain('<status>ok</status>');
    expect(await child.end('SIGTERM', 3_000)).to.deep.equal({ code: 0, signal: null });
  });

  it('runs and ends without standard output and standard error', async () => {
    const child = await serve('>&- 2>&-');
    expect(await firstFrame()).to.contain('<status>ok</status>');
    expect(await child.end('SIGTERM', 3_000)).to.deep.equal({ code: 0, signal: null });
  });

  it('goes on when the reader of its log goes away, and when another one comes', async () => {
    const child = await serve(`> '${pipe.path}'`, {}, `${SERVE} --demo`);
    await eventually(() => pipe.read().includes('Ctrl-C'));
    pipe.close();
    await refuse(3);
    pipe.open();
    await eventually(() => pipe.read().match(/request_refused/g)?.length === 3);
    pipe.close();
    expect(await child.end('SIGTERM', 3_000)).to.deep.equal({ code: 0, signal: null });
  });

  it('is ended by one signal, with its workers too, while nobody reads what it says', async () => {
    pipe.fill();
    for (const env of [{}, { SISYPHUS_WORKERS: '2', PATH: process.env.PATH! }]) {
      const child = await serve(`> '${pipe.path}' 2>&1`, env);
      await refuse(3);
      expect(await child.end('SIGTERM', 5_000)).to.deep.equal({ code: 0, signal: null });
    }
  });

  it('does not wait for the pipe when another process that has it, too, makes it blocking', async () => {
    pipe.fill();
    // Node does so when it ends: it gives the pipe back as it was.
    const [goOn, ended] = [join(folder, 'go-on'), join(folder, 'ended')];
    const program = "process.stdout; setInterval(() => fs.existsSync('go-on') && process.exit(), 20)";
    const other = `{ '${process.execPath}' -e "${program}"; : > '${ended}'; }`;
    const child = await serve('', {}, `> '${pipe.path}' 2>&1; ${other} & exec ${SERVE}`);
    writeFileSync(goOn, '');
    await eventually(() => statSync(ended));
    await refuse(3);
    expect(await child.end('SIGTERM', 3_000)).to.deep.equal({ code: 0, signal: null });
  });

  it('is ended at once by a second signal while nobody reads what it says', async () => {
    pipe.fill();
    const child = await serve(`> '${pipe.path}' 2>&1`, { SISYPHUS_DRAIN: '1m' });
    const stream = await fetch(`${url}/?user=1`);
    child.kill('SIGTERM');
    await eventually(async () => (await ask('/healthz')) === 0);
    expect(await child.end('SIGTERM', 3_000)).to.deep.equal({ code: 1, signal: null });
    await stream.body!.cancel().catch(() => {}); // cut with the process
  });

  it('says on /status how many lines of its log were dropped', async () => {
    pipe.fill();
    const program = `${LOG_MANY} many(140);
      const { run } = await import('${DIST}/cli/run.js');
      process.exit(await run(['serve'], { env: process.env, stdin: process.stdin, stdout, stderr: stdout }));`;
    await serve(`> '${pipe.path}'`, { PROGRAM: program }, NODE);
    const { warnings } = (await (await fetch(`${url}/status`)).json()) as { warnings: string[] };
    const [, count] = /^(\d+) lines of the log were dropped$/.exec(warnings.join())!;
    // Those of the start as well.
    expect(Number(count)).to.be.within(13, 30);
  });

  it('ends with its own code, soon, where it cannot say why', async () => {
    pipe.fill();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const inUse = shell(`exec ${SERVE} > '${pipe.path}' 2>&1`, { PORT: String(port), HOST: '127.0.0.1' });
    const crash = shell(`exec ${NODE} > '${pipe.path}'`, {
      PROGRAM: `${LOG_MANY} const { endOnCrash } = await import('${DIST}/cli/lifecycle.js');
        endOnCrash(logger); setInterval(() => {}, 1000); Promise.reject(new Error('boom'));`,
    });
    for (const { exited } of [inUse, crash]) {
      expect(await within(exited, 6_000, 'the end')).to.deep.equal({ code: 1, signal: null });
    }
    other.close();
  });
});

describe('the output of a server', () => {
  it('keeps 8 MB for a reader that has stopped, drops what follows, and says how much that was', async () => {
    pipe.fill();
    const begun = Date.now();
    shell(`exec ${NODE} > '${pipe.path}'`, {
      PROGRAM: `${LOG_MANY} many(200); let i = 200; setInterval(() => logger.info({ event: 'later', i: i++ }), 100);`,
    });
    await eventually(() => {
      const text = pipe.read();
      return text.endsWith('\n') && text.includes('later');
    }, 10_000);
    const lines = parse(pipe.read());
    const long = lines.filter(({ event }) => event === 'long').length;
    expect(long).to.be.within(126, 128);
    expect(lines.findIndex(({ event }) => event === 'log_dropped')).to.equal(long);
    const [note, ...more] = lines.filter(({ event }) => event === 'log_dropped');
    expect(more).to.deep.equal([]);
    expect(note).to.include({ level: 'error', lines: Number(lines[long + 1]!.i) - long });
    expect(Date.parse(String(note!.since))).to.be.within(begun, Date.now());
  });

  it('goes on in a file that has reached its limit, once there is room again, and loses nothing of a line', async () => {
    const log = join(folder, 'log');
    // In blocks of 512 bytes: 10 MB, more than may wait.
    const child = shell(`ulimit -f 20480; exec ${NODE} >> '${log}'`, {
      PROGRAM: `${LOG_MANY}
        for (let i = 0; i < 20; i++) { many(16); await new Promise((resolve) => setTimeout(resolve, 20)); }
        console.error('full'); let i = 320; setInterval(() => logger.info({ event: 'later', i: i++ }), 100);`,
    });
    await eventually(() => child.stderr.includes('full'), 10_000);
    expect(statSync(log).size).to.equal(10 * 1024 * 1024);
    // As logrotate does with copytruncate: the copy ends within a line.
    const first = readFileSync(log, 'utf8');
    truncateSync(log);
    const second = await eventually(() => {
      const text = readFileSync(log, 'utf8');
      return text.endsWith('\n') && text.includes('later') && text;
    }, 10_000);
    const lines = parse(first + second);
    const long = lines.filter(({ event }) => event === 'long').length;
    expect(lines[long]).to.include({ event: 'log_dropped', lines: Number(lines[long + 1]!.i) - long, reason: 'EFBIG' });
  });

  it('has what its process said last, in a crash and before it exits', async () => {
    const child = shell(`exec ${NODE}`, {
      PROGRAM: `${LOG_MANY} const { endOnCrash } = await import('${DIST}/cli/lifecycle.js');
        endOnCrash(logger); many(3); throw new Error('boom');`,
    });
    expect(await child.exited).to.deep.equal({ code: 1, signal: null });
    expect(parse(child.stdout).map(({ event }) => event)).to.deep.equal(['long', 'long', 'long', 'crashed']);
    const other = shell(`exec ${NODE}`, { PROGRAM: `${LOG_MANY} many(3); process.exit(7);` });
    expect(await other.exited).to.deep.equal({ code: 7, signal: null });
    expect(parse(other.stdout)).to.have.length(3);
  });

  it('has the warnings of Node, which would wait for standard error', async () => {
    const child = shell(`exec ${NODE}`, {
      PROGRAM: `${LOG_MANY} const { logWarnings } = await import('${DIST}/cli/lifecycle.js');
        logWarnings(logger); process.emitWarning('careful'); setTimeout(() => {}, 50);`,
    });
    expect(await child.exited).to.deep.equal({ code: 0, signal: null });
    expect(parse(child.stdout)[0]).to.nested.include({ event: 'node_warning', 'err.message': 'careful' });
    expect(child.stderr).to.equal('');
  });
});

describe('the output of a command', () => {
  it('that cannot be written is an error, and nobody reading it is none', async () => {
    const full = shell(`exec '${process.execPath}' '${BIN}' --help > /dev/full`);
    expect((await full.exited).code).to.equal(1);
    expect(full.stderr).to.match(/^sisyphus: cannot write to standard output \(ENOSPC[^\n]*\)\n$/);
    pipe.close();
    const unread = shell(`exec '${process.execPath}' '${BIN}' --help 1<> '${pipe.path}'`);
    expect((await unread.exited).code).to.equal(0);
  });
});
