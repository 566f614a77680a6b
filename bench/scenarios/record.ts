import { until } from '../processes.ts';
import type { RedisServer } from '../redis-server.ts';
import { Rig } from '../rig.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';

const CHANNELS = 100;

/** Half as much again as the goal: what the recorder has not yet recorded waits in its queue. */
const RATE = 30_000;

const key = (channel: number): string => `sisyphus:{0}:channel:room:${channel}`;

/** Each backlog must hold each message, once and in the order of publishing. */
async function checkBacklogs({ problems }: Rig, { client }: RedisServer, each: number): Promise<void> {
  for (let channel = 0; channel < CHANNELS; channel++) {
    const entries = await client.xrange(`${key(channel)}:msg_backlog`, '-', '+');
    const wrong = entries.findIndex(([, fields], i) => Number(/#\d+\.(\d+)\./.exec(fields[1]!)?.[1]) !== i + 1);
    if (entries.length !== each) problems.push(`room:${channel} holds ${entries.length} of ${each} messages`);
    if (wrong >= 0) problems.push(`room:${channel} is out of order at its message ${wrong + 1}`);
  }
}

async function recordAll(turn: Turn, messages: number) {
  // Long enough backlogs that every message can be read back and counted.
  const server = await turn.start({ SISYPHUS_BACKLOG_LENGTH: String(messages / CHANNELS) });
  const rig = turn.watch(await Rig.assemble(server, [], 'plain'));
  const { client } = server.redis!;
  const channels = { first: 0, count: CHANNELS };
  const counters = Array.from({ length: CHANNELS }, (_, n) => `${key(n)}:msg_id`);
  const begun = performance.now();
  const published = await rig.publisher.run(RATE, messages, channels, 1000);
  if (published.errors) rig.problems.push(`${published.errors} publishes failed: ${published.firstError}`);
  let recorded = 0;
  const seconds = await until('everything is recorded', 60, async () => {
    const revisions = await client.mget(counters);
    recorded = revisions.reduce((sum, revision) => sum + Number(revision ?? 0), 0);
    return recorded >= messages ? (performance.now() - begun) / 1000 : undefined;
  }).catch(() => Number.NaN);
  if (recorded !== messages) rig.problems.push(`${recorded} of ${messages} messages recorded`);
  await checkBacklogs(rig, server.redis!, messages / CHANNELS);
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
