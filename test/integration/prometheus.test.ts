import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { ruleTests } from '../support/alert-cases.ts';
import { ROOT, read } from '../support/documents.ts';
import { alertsOf, expressionsOf, filledIn, panelsOf, RULES, withoutThreshold } from '../support/expressions.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const run = promisify(execFile);
const RULES_PATH = join(ROOT, RULES);

describe('the alerts, as promtool sees them', function () {
  this.timeout(60_000);

  it('are rules', async () => {
    const { stdout } = await run('promtool', ['check', 'rules', RULES_PATH]);
    expect(stdout).to.match(/SUCCESS: \d+ rules found/);
  });

  it('fire on what they name, after their time, and only then', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'alerts-'));
    try {
      await writeFile(join(folder, 'tests.yml'), ruleTests(RULES_PATH));
      const { stdout } = await run('promtool', ['test', 'rules', join(folder, 'tests.yml')]);
      expect(stdout).to.include('SUCCESS');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a Prometheus that asks a gateway', function () {
  this.timeout(120_000);
  let world: World;
  let prometheus: Prometheus;

  before(async () => {
    world = await startWorld({ SISYPHUS_WORKERS: '2' });
    prometheus = await startPrometheus(world.gateway.port, RULES_PATH);
  });
  after(async () => {
    await prometheus?.stop();
    await world?.stop();
  });

  it('finds what the alerts and the dashboard ask for', async () => {
    await world.allow('1', 'room:1');
    const stream = await world.openOk({ path: '/?user=1' });
    await world.publish.fcall('room:1', 'hello');
    await stream.until(({ messages }) => messages.length === 1);
    const rates = 'rate(sisyphus_redis_round_trip_seconds_count[1m])';
    await eventually(async () => (await prometheus.query(rates)).length > 0, 60_000, 200);
    const asked = [
      ...alertsOf(read(RULES)).map(({ expression }) => withoutThreshold(expression)),
      ...expressionsOf(panelsOf()).map((expression) => withoutThreshold(filledIn(expression))),
    ];
    for (const expression of asked) expect(await prometheus.query(expression), expression).not.to.deep.equal([]);
    const [open] = await prometheus.query('sum(sisyphus_streams_open)');
    expect(open!.value).to.equal(1);
    expect((await prometheus.alerts()).size, 'nothing is wrong').to.equal(0);
  });

  it('fires when Redis is away, and lets go when it is back', async () => {
    world.redis.kill('SIGSTOP');
    try {
      await eventually(async () => (await prometheus.alerts()).get('SisyphusRedisAway') === 'firing', 60_000, 500);
      expect((await prometheus.alerts()).get('SisyphusNotReady')).to.equal('pending');
    } finally {
      world.redis.kill('SIGCONT');
    }
    await eventually(async () => !(await prometheus.alerts()).has('SisyphusRedisAway'), 60_000, 500);
  });
});
