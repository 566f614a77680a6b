import { Rig } from '../rig.ts';
import { type Case, type Goal, type Scenario, type Turn, thousands } from '../scenario.ts';
import { oneRoom } from './audience.ts';

const SHOW = ['cpu', 'gatewayCpu', 'redisCpu', 'p50', 'p99', 'joined', 'gatewayBusy', 'clientBusy', 'othersBusy'];

async function measure(turn: Turn, streams: number, rate: number, seconds: number) {
  const rig = turn.watch(await Rig.assemble(await turn.start(), oneRoom(streams)));
  await rig.open();
  const channels = { first: 0, count: 1 };
  // As long a warm-up in events, not in seconds, for a compiler that goes by calls.
  await rig.deliver({ rate, total: Math.max(5, Math.ceil(rate * Math.min(3, seconds))), channels });
  return rig.deliver({ rate, total: Math.ceil(rate * seconds), channels });
}

function fanOutCase(scenario: string, streams: number, rate: number, seconds: number, goals: Goal[]): Case {
  return {
    name: `${scenario}/${streams}-${rate}`,
    title: `1 channel, ${thousands(streams)} streams, ${rate} messages/s`,
    peers: ['sisyphus', 'nchan', 'nchan-redis', 'loop', 'pushpin', 'mercure', 'centrifugo'],
    show: SHOW,
    goals,
    measure: (turn) => measure(turn, streams, rate, seconds),
  };
}

export const fanOut: Scenario = ({ quick, seconds }) => {
  if (quick) return [fanOutCase('fan-out', 200, 20, 1, [])];
  const goals = (ratio: number): Goal[] => [
    { metric: 'cpu', against: 'nchan-best', atMost: ratio },
    { metric: 'cpu', against: 'loop', atMost: 1.4 },
  ];
  return [2_000, 10_000].flatMap((streams) =>
    [10, 20].map((rate) => fanOutCase('fan-out', streams, rate, 10 * seconds, goals(streams === 2_000 ? 0.9 : 0.65))),
  );
};

export const bursts: Scenario = ({ quick, seconds }) => {
  if (quick) return [fanOutCase('bursts', 100, 200, 0.5, [])];
  const goals: Goal[] = [{ metric: 'cpu', against: 'nchan-best', atMost: 0.4 }];
  return [1_000, 2_000].map((streams) => fanOutCase('bursts', streams, 200, 6 * seconds, goals));
};
