import { mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Child } from '../support/child.ts';
import { runCommand } from '../support/command-line.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { eventually } from '../support/wait.ts';

const BIN = process.env.TEST_GATEWAY ?? fileURLToPath(new URL('../../bin/sisyphus', import.meta.url));

describe('collections on the command line', function () {
  this.timeout(30_000);
  let redis: RedisServer;
  let gateway: Gateway;
  let dir: string;
  let watching: Child | undefined;

  before(async () => {
    redis = await startRedis();
    const collections = '{"drivers":{"key":"driver_name","public":true}}';
    gateway = await startGateway({
      REDIS_URL: redis.url,
      SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
      SISYPHUS_COLLECTIONS: collections,
    });
    dir = await mkdtemp(join(tmpdir(), 'sisyphus-watch-'));
  });
  after(async () => {
    await gateway.stop();
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  });
  afterEach(async () => {
    watching?.kill('SIGKILL');
    await watching?.exited;
  });

  const overRedis = (): Record<string, string> => ({ REDIS_URL: redis.url });
  const overHttp = (): Record<string, string> => ({
    SISYPHUS_URL: gateway.url,
    SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
  });
  const read = async (): Promise<{ drivers: Record<string, unknown>[]; revision: number }> =>
    (await (await fetch(`${gateway.url}/live/drivers`)).json()) as {
      drivers: Record<string, unknown>[];
      revision: number;
    };

  function startWatch(file: string, env: Record<string, string>): Child {
    const own = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
    watching = new Child(BIN, ['watch', file, '--collection', 'drivers'], { env: { ...own, ...env } });
    return watching;
  }

  const says = (child: Child, text: RegExp): Promise<true> =>
    eventually(() => text.test(child.stdout + child.stderr) || undefined, 10_000);

  for (const [way, env] of [
    ['Redis', overRedis],
    ['a gateway', overHttp],
  ] as const) {
    it(`are put and patched over ${way}, from an argument or standard input`, async () => {
      const list = '[{"driver_name":"a"},{"driver_name":"b"}]';
      await runCommand(['put', 'drivers', '[]'], { env: env() });
      const put = await runCommand(['put', 'drivers'], { env: env(), stdin: list });
      expect(put.stdout).to.match(/^\d{16} \d+\n$/);
      const batch = '[{"type":"delete","data":{"driver_name":"a"}}]';
      const patch = await runCommand(['patch', 'drivers', batch], { env: env() });
      const { drivers, revision } = await read();
      expect({ drivers, said: patch.stdout.split(' ')[1] }).to.deep.equal({
        drivers: [{ driver_name: 'b' }],
        said: `${revision}\n`,
      });
      const bad = await runCommand(['patch', 'drivers', '[{}]'], { env: env() });
      expect(bad).to.include({ code: 1, stdout: '' });
      expect(bad.stderr).to.match(/element \[0\] .*: expected \[\{"type":"update"/);
      expect((await runCommand(['put', 'nobody', '[]'], { env: env() })).stderr).to.match(
        /expected one in SISYPHUS_COLLECT/,
      );
    });
  }

  it('want names', async () => {
    expect((await runCommand(['put', 'a b', '[]'], { env: overRedis() })).code).to.equal(2);
    const unnamed = await runCommand(['watch', 'x.json'], { env: overRedis() });
    expect(unnamed).to.include({
      code: 2,
      stderr: 'sisyphus: a collection is missing: expected --collection <name>\n',
    });
  });

  it('follow a file that is written, replaced, truncated and half written, and say what they did', async () => {
    const file = join(dir, 'drivers.json');
    await runCommand(['put', 'drivers', '[]'], { env: overRedis() });
    const child = startWatch(file, overRedis());
    await says(child, /drivers\.json is not there: waiting for it/);
    await writeFile(file, '[{"driver_name":"a"},{"driver_name":"b"}]');
    await says(child, /drivers: revision \d+: 2 created, 0 updated, 0 destroyed/);
    await writeFile(`${file}.new`, '[{"driver_name":"b","lap":1},{"driver_name":"c"}]');
    await rename(`${file}.new`, file);
    await says(child, /1 created, 1 updated, 1 destroyed/);
    const before = await read();
    await truncate(file, 0);
    await says(child, /drivers\.json is empty/);
    await writeFile(file, '[{"driver_name":"b","la');
    await says(child, /drivers\.json is no whole JSON/);
    expect(await read()).to.deep.include({ drivers: before.drivers, revision: before.revision });
    await writeFile(file, '[{"driver_name":"b","lap":2},{"driver_name":"c"}]');
    await says(child, /0 created, 1 updated, 0 destroyed/);
    await writeFile(file, '[ {"driver_name":"b","lap":2},{"driver_name":"c"} ]');
    await says(child, /nothing is different/);
    await writeFile(file, '[{"name":"x"}]');
    await says(child, /record \[0\] has no driver_name/);
    await writeFile(file, '[]');
    await says(child, /0 created, 0 updated, 2 destroyed/);
  });

  it('follow a CSV file over HTTP, through a gateway that is away', async () => {
    const file = join(dir, 'drivers.CSV');
    await runCommand(['put', 'drivers', '[]'], { env: overRedis() });
    await writeFile(file, 'driver_name,team\r\n"Josh ""J"" N.","a, b"\r\nSylvia,\r\n');
    const child = startWatch(file, overHttp());
    await says(child, /2 created/);
    expect((await read()).drivers).to.deep.equal([
      { driver_name: 'Josh "J" N.', team: 'a, b' },
      { driver_name: 'Sylvia', team: '' },
    ]);
    await writeFile(file, 'driver_name,team\nSylv');
    await says(child, /has 1 cells in row 1: expected 2, as in its first line/);
    await writeFile(file, 'driver_name,team\n"Sylvia,x\n');
    await says(child, /has a quoted cell that does not end/);
    await writeFile(file, '');
    await says(child, /is empty: expected a first line with names/);
    gateway.kill('SIGSTOP');
    await writeFile(file, 'driver_name,team\nSylvia,x');
    await new Promise((resolve) => setTimeout(resolve, 500));
    gateway.kill('SIGCONT');
    await says(child, /0 created, 1 updated, 1 destroyed/);
    expect((await read()).drivers).to.deep.equal([{ driver_name: 'Sylvia', team: 'x' }]);
  });
});
