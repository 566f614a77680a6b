import { until } from '../processes.ts';
import { Rig } from '../rig.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';

const CHANNELS = 100;

/** Above the goal, and a burst of it at once at the end of each second as the publisher catches up on a busy machine. */
const RATE = 30_000;

async function recordAll(turn: Turn, messages: number) {
  // Long enough backlogs that every message can be read back and counted.
  const server = await turn.start({ SISYPHUS_BACKLOG_LENGTH: String(messages / CHANNELS) });
  const rig = turn.watch(await Rig.assemble(server, [], 'plain'));
  const { client } = server.redis!;
  const channels = { first: 0, count: CHANNELS };
  const counters = Array.from({ length: CHANNELS }, (_, n) => `sisyphus:{0}:channel:room:${n}:msg_id`);
  const cpu = process.hrtime.bigint();
  const published = await rig.publisher.run(RATE, messages, channels, 1000);
  if (published.errors) rig.problems.push(`${published.errors} publishes failed: ${published.firstError}`);
  let recorded = 0;
  const seconds = await until('everything is recorded', 60, async () => {
    const revisions = await client.mget(counters);
    recorded = revisions.reduce((sum, revision) => sum + Number(revision ?? 0), 0);
    return recorded >= messages ? Number(process.hrtime.bigint() - cpu) / 1e9 : undefined;
  }).catch(() => Number.NaN);
  if (recorded !== messages) rig.problems.push(`${recorded} of ${messages} messages recorded`);
  return { recorded: recorded / seconds, publishedRate: published.sent / published.seconds, seconds };
}

export const record: Scenario = ({ quick }) => {
  const messages = quick ? 5_000 : 200_000;
  return [
    {
      name: 'record',
      title: `${thousands(messages)} plain PUBLISHes on ${CHANNELS} channels without a listener, ${thousands(RATE)}/s`,
      peers: ['sisyphus'],
      show: ['recorded', 'seconds'],
      goals: quick ? [] : [{ metric: 'recorded', atLeast: 20_000 }],
      measure: (turn) => recordAll(turn, messages),
    },
  ];
};
