/**
 * How many resets readers are told when Redis is restarted, with plain PUBLISH recorded and without. For docs/run/limits-and-sizing.md:
 * node --import=tsx bench/restarts.ts [readers] [restarts]
 */
import { playRestarts } from '../test/support/redis-restarts.ts';

const [readers = 100, restarts = 2] = process.argv.slice(2).map(Number);

console.log(`${readers} readers of 2 channels each, ${restarts} restarts of Redis, a message by FCALL every 5 ms`);
console.log(
  '| SISYPHUS_RAW_CHANNELS | plain PUBLISH besides | resets | by reason | messages | lost | streams that ended |',
);
for (const [rawChannels, hasPlain] of [
  ['*:*', true],
  ['*:*', false],
  ['', true],
] as const) {
  const { resets, published, lost, ended } = await playRestarts({ rawChannels, hasPlain, readers, restarts });
  const all = Object.values(resets).reduce((sum, count) => sum + count, 0);
  const reasons = Object.entries(resets).map(([reason, count]) => `${reason} ${count}`);
  const cells = [rawChannels || '(none)', hasPlain ? 'yes' : 'no', all, reasons.join(', '), published, lost, ended];
  console.log(`| ${cells.join(' | ')} |`);
}
