/**
 * `npm run test:servers`: what the gateway promises, on every Redis and Valkey that is found. Prints a table of suites and
 * servers, and what failed. Not part of bin/test, because it takes long and fetches servers.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../support/mutated-copy.ts';
import { findServers, nameOf, type Server } from './find.ts';

/** Faults that are the server's own, or about which servers may differ. */
const FAULTS = [
  'calm',
  'recorders-in-turn',
  'stopped-recorder',
  'killed-connections',
  'flushed',
  'functions-gone',
  'out-of-memory',
  'read-only',
  'writes-refused',
  'redis-restarted',
  'clean-failovers',
  'lossy-failover',
  'sentinel',
];
/** In the order of the promises in docs/why/guarantees.md. */
const SUITES: Record<string, string[]> = {
  'the store: ids, revisions, backlogs, rights, the record of plain PUBLISHes': [
    'test/contract/*.test.ts',
    'test/redis/*.test.ts',
  ],
  'what is published after ok arrives': ['test/integration/after-ok.test.ts'],
  'back with a position: everything once, in order': ['test/conformance/drops.test.ts'],
  'a gap is announced, and only a gap': ['test/integration/resets.test.ts'],
  'revoked means revoked, granted means granted': ['test/integration/rights.test.ts'],
  'lost connections and outages are healed': [
    'test/integration/failing.test.ts',
    'test/integration/outage-log.test.ts',
  ],
  'a Redis that refuses is not one that is away': ['test/integration/refusing.test.ts'],
  'faults under load, short': ['test/fault/fault-*.test.ts', '--grep', `(${FAULTS.join('|')}): `],
};

interface Report {
  stats: { passes: number; tests: number; pending: number };
  failures: { fullTitle: string; err: { message?: string } }[];
}

function runSuite({ path }: Server, args: string[]): Report | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sisyphus-servers-'));
  const output = join(folder, 'report.json');
  const reporter = ['--exit', '--reporter', 'json', '--reporter-option', `output=${output}`];
  spawnSync(join(ROOT, 'node_modules/.bin/mocha'), [...reporter, ...args], {
    cwd: ROOT,
    stdio: 'ignore',
    timeout: 900_000,
    env: { ...process.env, SISYPHUS_TEST_REDIS_SERVER: path },
  });
  try {
    return JSON.parse(readFileSync(output, 'utf8')) as Report;
  } catch {
    return undefined; // it did not end
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    server: { type: 'string', multiple: true },
    suite: { type: 'string', multiple: true },
    offline: { type: 'boolean' },
  },
});
const named = values.server?.map((path) => ({ path, name: nameOf(path) ?? path }));
const servers = named ?? findServers(values.offline === true);
const suites = Object.entries(SUITES).filter(([name]) => values.suite?.some((text) => name.includes(text)) ?? true);
if (spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.json'], { cwd: ROOT, stdio: 'inherit' }).status) {
  process.exit(1);
}
const rows: string[] = [];
const failures: string[] = [];
for (const [suite, args] of suites) {
  const cells = servers.map((server) => {
    const report = runSuite(server, args);
    for (const { fullTitle, err } of report?.failures ?? []) {
      failures.push(`${server.name}: ${fullTitle}: ${err.message?.split('\n')[0]}`);
    }
    if (!report) failures.push(`${server.name}: ${suite}: did not end`);
    const cell = report ? `${report.stats.passes} of ${report.stats.tests - report.stats.pending}` : 'did not end';
    console.error(`${server.name}: ${suite}: ${cell}`);
    return cell;
  });
  rows.push(`| ${suite} | ${cells.join(' | ')} |`);
}
console.log(`| | ${servers.map(({ name }) => name).join(' | ')} |\n|---|${servers.map(() => '---|').join('')}`);
console.log(rows.join('\n'));
for (const failure of failures) console.log(`FAILED ${failure}`);
process.exitCode = failures.length > 0 || servers.length === 0 ? 1 : 0;
