import { LoadClient } from '../load-client.ts';
import { until } from '../processes.ts';
import { Publisher } from '../publisher.ts';
import { Rig } from '../rig.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';
import { oneRoom } from './audience.ts';

const BURST = 20;

async function besideBursts(turn: Turn, streams: number, bursts: number) {
  const server = await turn.start();
  const lone = { user: streams, channels: [1] };
  await server.admit?.([lone]);
  const rig = turn.watch(await Rig.assemble(server, oneRoom(streams)));
  await rig.open();
  // A client and a publisher of its own, ahead in the scheduler where that is allowed: what they wait for is the server.
  const client = new LoadClient(
    server.port,
    server.readyOn,
    [{ path: server.path(lone), channels: lone.channels }],
    -10,
  );
  const publisher = new Publisher(server.publish, -10);
  try {
    await client.start();
    await publisher.start();
    await client.open();
    const crowd = { rate: 0, total: BURST, channels: { first: 0, count: 1 } };
    await rig.deliver(crowd);
    await client.mark();
    let running = true;
    let sent = 0;
    const steady = (async () => {
      while (running) sent += (await publisher.run(50, 25, { first: 1, count: 1 })).sent;
    })();
    for (let burst = 0; burst < bursts; burst++) await rig.deliver(crowd);
    running = false;
    await steady;
    const report = await until('the last of its events', 20, async () => {
      const now = await client.report();
      return now.delivered + now.lost >= sent ? now : undefined;
    });
    rig.judge(report, undefined, sent);
    return {
      p50: report.latency.p50 / 1000,
      p99: report.latency.p99 / 1000,
      worst: report.latency.max / 1000,
      events: report.delivered,
    };
  } finally {
    await publisher.close();
    await client.close();
  }
}

export const fairness: Scenario = ({ quick }) => {
  const streams = quick ? 200 : 10_000;
  return [
    {
      name: 'fairness',
      title: `one stream with 50 messages/s, beside ${thousands(streams)} that get ${BURST} at once, again and again`,
      peers: ['sisyphus', 'nchan', 'nchan-redis'],
      show: ['p99', 'p50', 'worst', 'events'],
      goals: quick ? [] : [{ metric: 'p99', atMost: 50 }],
      measure: (turn) => besideBursts(turn, streams, quick ? 2 : 10),
    },
  ];
};
