import { cpuSeconds } from '../processes.ts';
import { USERS } from '../publisher.ts';
import { commandsDuring } from '../redis-server.ts';
import { type Figures, Rig } from '../rig.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';
import { mixed, ROOMS } from './audience.ts';

/** Unanswered streams at once: below the 4,096 that a listening socket holds, so that no SYN waits a second to be sent again. */
const IN_FLIGHT = 3_000;

const SHOW = ['seconds', 'wait', 'cpuPerStream', 'redisPerStream', 'clientBusy'];

const redisCpu = (rig: Rig) => (rig.server.redis ? cpuSeconds([rig.server.redis.pid]) : 0);

async function connectAll(turn: Turn, streams: number) {
  const rig = turn.watch(await Rig.assemble(await turn.start(), mixed(streams)));
  const cpu = cpuSeconds(rig.server.pids);
  const redis = redisCpu(rig);
  const opened = await rig.open(IN_FLIGHT);
  const figures = {
    seconds: opened.seconds,
    wait: opened.wait.max / 1e6,
    cpuPerStream: ((cpuSeconds(rig.server.pids) - cpu + redisCpu(rig) - redis) / streams) * 1e6,
    redisPerStream: ((redisCpu(rig) - redis) / streams) * 1e6,
    clientBusy: opened.busy * 100,
  };
  // An `ok` promises that all channels are subscribed: a message on each of them, at once, shows it.
  await rig.deliver({ rate: 0, total: ROOMS, channels: { first: 0, count: ROOMS } });
  await rig.deliver({ rate: 0, total: streams, channels: { first: USERS, count: streams } });
  return figures;
}

export const connect: Scenario = ({ quick }) => {
  const streams = quick ? 200 : 5_000;
  return [
    {
      name: 'connect',
      title: `${thousands(streams)} streams with 11 channels each, as fast as they come`,
      peers: ['sisyphus', 'nchan-redis', 'nchan', 'mercure', 'centrifugo'],
      show: SHOW,
      goals: quick
        ? []
        : [
            { metric: 'seconds', against: 'nchan-redis', atMost: 0.5 },
            { metric: 'wait', atMost: 3 },
          ],
      measure: (turn) => connectAll(turn, streams),
    },
  ];
};

/** Of the 20 missed, 10 come on the user's own channel, which nobody shares, and one in each of the user's rooms. */
const OWN = 10;

const rooms = { first: 0, count: ROOMS };

/** Cuts everybody off, and publishes what they miss. */
async function cutOff({ client, publisher, readers, problems }: Rig): Promise<void> {
  await client.cut();
  const own = { first: USERS, count: readers.length };
  for (const { errors, firstError } of [
    await publisher.run(0, ROOMS, rooms),
    await publisher.run(0, readers.length * OWN, own),
  ]) {
    if (errors) problems.push(`${errors} publishes failed: ${firstError}`);
  }
}

/** Everybody returns within a second: how long until they have it all? */
async function comeBack(rig: Rig): Promise<Figures> {
  const streams = rig.readers.length;
  const cpu = cpuSeconds(rig.server.pids);
  const redis = redisCpu(rig);
  const expected = rig.deliveries({ rate: 0, total: ROOMS, channels: rooms }) + streams * OWN;
  await rig.client.mark();
  const { wait } = await rig.open(IN_FLIGHT, 1000);
  const report = await rig.settled(expected, 20);
  rig.judge(report, undefined, expected);
  return {
    seconds: report.lastAfter,
    wait: wait.max / 1e6,
    cpuPerStream: ((cpuSeconds(rig.server.pids) - cpu + redisCpu(rig) - redis) / streams) * 1e6,
    redisPerStream: ((redisCpu(rig) - redis) / streams) * 1e6,
    clientBusy: report.busy * 100,
  };
}

async function returnAll(turn: Turn, streams: number): Promise<Figures> {
  const rig = turn.watch(await Rig.assemble(await turn.start(), mixed(streams)));
  await rig.open(IN_FLIGHT);
  // Everybody needs a position to come back with, and every channel a message before it.
  await rig.deliver({ rate: 0, total: ROOMS, channels: rooms });
  await rig.deliver({ rate: 0, total: streams, channels: { first: USERS, count: streams } });
  await cutOff(rig);
  const figures = await comeBack(rig);
  // Once more, with every command written down, which is too slow to be timed.
  await cutOff(rig);
  const commands = await commandsDuring(rig.server.redis, () => comeBack(rig));
  return { ...figures, commands: commands / streams };
}

export const storm: Scenario = ({ quick }) => {
  const streams = quick ? 200 : 5_000;
  return [
    {
      name: 'storm',
      title: `${thousands(streams)} streams cut at once, back within a second, 20 missed messages each`,
      peers: ['sisyphus', 'nchan-redis', 'nchan'],
      show: [...SHOW, 'commands'],
      goals: quick
        ? []
        : [
            { metric: 'seconds', against: 'nchan-redis', atMost: 0.5 },
            { metric: 'commands', atMost: 1 },
          ],
      measure: (turn) => returnAll(turn, streams),
    },
  ];
};
