/** `npm run fuzz -- --seconds 600 --seed 7`: the fuzz run of the tests, for longer. Without a seed it takes a fresh one. */
import { parseArgs } from 'node:util';
import { Stage } from './stage.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? Date.now() % 0x7fffffff);
if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new Error('expected --seconds and --seed to be numbers');

console.log(`seed ${seed}, ${seconds} s`);
const stage = await new Stage().start();
try {
  await stage.run(seed, seconds);
  await stage.judgeWitness();
  await stage.judge();
  const answers = [...stage.answers].sort(([, a], [, b]) => b - a).map(([word, times]) => `${word} ${times}`);
  console.log(`${answers.join(', ')}\nheaps grew by ${stage.growth.join(', ')} bytes`);
  console.log(`${stage.connections} connections, and all is well`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stage.stop();
}
