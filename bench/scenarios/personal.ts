import type { Reader } from '../peers/peer.ts';
import { USERS } from '../publisher.ts';
import { Rig } from '../rig.ts';
import type { Case, Goal, Scenario, Size } from '../scenario.ts';
import { thousands } from '../scenario.ts';
import { mixed, personal as own, ROOMS } from './audience.ts';

const SHOW = ['cpu', 'gatewayCpu', 'redisCpu', 'p50', 'p99', 'joined', 'gatewayBusy', 'clientBusy', 'othersBusy'];

interface Shape {
  name: string;
  title: string;
  readers: Reader[];
  first: number;
  way: 'recorded' | 'plain';
  rate: number;
  goals: Goal[];
}

function oneEach(shape: Shape, seconds: number): Case {
  const { readers, way, rate } = shape;
  const channels = { first: shape.first, count: readers.length };
  return {
    name: shape.name,
    title: shape.title,
    peers:
      way === 'plain'
        ? ['sisyphus', 'nchan-redis']
        : ['sisyphus', 'nchan-redis', 'nchan', 'pushpin', 'mercure', 'centrifugo'],
    show: SHOW,
    goals: shape.goals,
    async measure(turn) {
      const server = await turn.start();
      const rig = turn.watch(await Rig.assemble(server, readers, server.publishPlain ? way : 'recorded'));
      await rig.open();
      await rig.deliver({ rate, total: Math.ceil(rate * Math.min(4, seconds)), channels });
      return rig.deliver({ rate, total: Math.ceil(rate * seconds), channels });
    },
  };
}

/** Four ways to the same 2,000 people: over `user:<id>`, which makes the gateway look at their rights each time, and over a room each. */
export const personal: Scenario = (size: Size) => {
  const users = size.quick ? 100 : 2_000;
  const rate = size.quick ? 300 : 3_000;
  const seconds = size.quick ? 1 : 10 * size.seconds;
  const goals = (way: 'recorded' | 'plain'): Goal[] => {
    if (size.quick) return [];
    if (way === 'plain') return [{ metric: 'cpu', against: 'nchan-redis', atMost: 0.6 }];
    return [
      { metric: 'cpu', against: 'nchan-redis', atMost: 0.4 },
      { metric: 'p99', against: 'nchan-redis', atMost: 0.5 },
    ];
  };
  const rooms: Reader[] = Array.from({ length: users }, (_, user) => ({ user, channels: [user] }));
  const ways = [
    { way: 'recorded', name: 'fcall', said: 'FCALL' },
    { way: 'plain', name: 'plain', said: 'plain PUBLISH' },
  ] as const;
  return ways.flatMap(({ way, name, said }) => [
    oneEach(
      {
        name: `personal/${name}`,
        title: `${thousands(users)} users, ${thousands(rate)} messages/s to user:<id>, by ${said}`,
        readers: own(users),
        first: USERS,
        way,
        rate,
        goals: goals(way),
      },
      seconds,
    ),
    oneEach(
      {
        name: `personal/${name}-room`,
        title: `${thousands(users)} users, ${thousands(rate)} messages/s to a room each, by ${said}`,
        readers: rooms,
        first: 0,
        way,
        rate,
        goals: goals(way),
      },
      seconds,
    ),
  ]);
};

export const mixedLoad: Scenario = ({ quick, seconds }) => {
  const users = quick ? 100 : 5_000;
  const rate = quick ? 100 : 500;
  const length = quick ? 1 : 10 * seconds;
  return [
    {
      name: 'mixed',
      title: `${thousands(users)} users, own channel and 10 of ${ROOMS} rooms each, ${rate} messages/s to rooms`,
      peers: ['sisyphus', 'nchan', 'nchan-redis', 'mercure', 'centrifugo'],
      show: SHOW,
      goals: quick ? [] : [{ metric: 'cpu', against: 'nchan-best', atMost: 0.6 }],
      async measure(turn) {
        const rig = turn.watch(await Rig.assemble(await turn.start(), mixed(users)));
        await rig.open();
        const channels = { first: 0, count: ROOMS };
        await rig.deliver({ rate, total: Math.ceil(rate * Math.min(4, length)), channels });
        return rig.deliver({ rate, total: Math.ceil(rate * length), channels });
      },
    },
  ];
};
