/** `npm run polls -- --seconds 60 --seed 7`: the run of the poll sessions' tests, for longer. Without a seed it takes a fresh one. */
import { parseArgs } from 'node:util';
import { runPolls } from '../support/poll-run.ts';
import { startRedis } from '../support/redis.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? Date.now() % 0x7fffffff);
if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new Error('expected --seconds and --seed to be numbers');

console.log(`seed ${seed}, ${seconds} s`);
const redis = await startRedis();
try {
  const { polls, got, lost, kills, cuts, problems } = await runPolls({ seconds, seed, redis, say: console.log });
  console.log(
    `${polls} polls, ${got} messages, ${kills} gateways killed, ${cuts} times cut from Redis; ${lost} messages lost without ack`,
  );
  for (const problem of problems) console.log(problem);
  console.log(problems.length === 0 ? 'all is well' : `${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await redis.stop();
}
