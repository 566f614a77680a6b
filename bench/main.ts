import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMachine } from './machine.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { PEERS } from './peers/all.ts';
import type { Peer } from './peers/peer.ts';
import { measureInstead } from './peers/sisyphus.ts';
import { picture } from './picture.ts';
import { type CaseResult, judge, type Results } from './results.ts';
import type { Case } from './scenario.ts';
import { allCases } from './scenarios/all.ts';
import { caseTable, header } from './table.ts';
import { takeTurn } from './take-turn.ts';

const RESULTS = join(import.meta.dirname, 'results');

/** Progress goes to standard error, so that --json leaves nothing but JSON on standard output. */
const say = (line: string): boolean => process.stderr.write(`${line}\n`);

/** A B A B: every peer has its turn before anybody has the next. */
async function runCase(one: Case, peers: readonly Peer[], turns: number): Promise<CaseResult> {
  const results: CaseResult['turns'] = {};
  const taking = peers.filter(({ name }) => one.peers.includes(name));
  for (let round = 1; round <= turns; round++) {
    for (const peer of taking) {
      say(`${one.name}: turn ${round} of ${turns}, ${peer.name}`);
      const result = await takeTurn(one, peer);
      const { [peer.name]: list = [] } = results;
      results[peer.name] = [...list, result];
    }
  }
  return { name: one.name, title: one.title, show: one.show, turns: results, verdicts: judge(one, results) };
}

/** One JSON and one picture a scenario, so that a scenario can be run again by itself. */
function save(results: Results): void {
  mkdirSync(RESULTS, { recursive: true });
  const scenarioOf = ({ name }: CaseResult) => name.split('/')[0]!;
  for (const scenario of new Set(results.cases.map(scenarioOf))) {
    const part = { ...results, cases: results.cases.filter((result) => scenarioOf(result) === scenario) };
    writeFileSync(join(RESULTS, `${scenario}.json`), `${JSON.stringify(part, null, 1)}\n`);
    writeFileSync(join(RESULTS, `${scenario}.svg`), picture(scenario, part));
  }
}

async function main(options: Options): Promise<void> {
  const cases = allCases(options).filter(
    ({ name }) => options.cases.length === 0 || options.cases.some((beginning) => name.startsWith(beginning)),
  );
  if (options.list) return console.log(cases.map(({ name, title }) => `${name}: ${title}`).join('\n'));
  if (cases.length === 0) throw new Error(`no case begins with ${options.cases.join(' or ')}; --list names them`);
  if (options.gateway) measureInstead(options.gateway);
  const versions: Results['peers'] = {};
  const peers = PEERS.filter((peer) => {
    if (options.peers && !options.peers.includes(peer.name)) return false;
    const found = peer.probe();
    if ('missing' in found) say(`left out: ${peer.name}, for want of ${found.missing}`);
    else versions[peer.name] = found.version;
    return 'version' in found;
  });
  const results: Results = {
    at: new Date().toISOString(),
    machine: describeMachine(),
    peers: versions,
    options: `${options.turns} turns${options.quick ? ', quick' : ''}${options.seconds === 1 ? '' : `, lengths × ${options.seconds}`}`,
    cases: [],
  };
  if (!options.json) console.log(header(results));
  for (const one of cases) {
    const result = await runCase(one, peers, options.turns);
    results.cases.push(result);
    if (!options.json) console.log(caseTable(result));
  }
  if (options.json) console.log(JSON.stringify(results, null, 1));
  if (options.save) save(results);
  const wrong = results.cases.some(({ turns }) => turns.sisyphus?.some(({ problems }) => problems.length > 0));
  if (wrong || results.cases.some(({ verdicts }) => verdicts.some(({ met }) => !met))) process.exitCode = 1;
}

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  say(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  process.exitCode = 2;
}
process.exit();
