import { cpuSeconds } from '../processes.ts';
import { USERS } from '../publisher.ts';
import { commandCalls, commandsProcessed } from '../redis-server.ts';
import { Rig } from '../rig.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';
import { mixed, ROOMS } from './audience.ts';

/** Unanswered streams at once: below the 4,096 that a listening socket holds, so that no SYN waits a second to be sent again. */
const IN_FLIGHT = 3_000;

const SHOW = ['seconds', 'wait', 'cpuPerStream', 'redisPerStream', 'commands', 'clientBusy'];

const redisCpu = (rig: Rig) => (rig.server.redis ? cpuSeconds([rig.server.redis.pid]) : 0);
const redisCommands = async (rig: Rig) => (rig.server.redis ? commandsProcessed(rig.server.redis.client) : 0);

async function connectAll(turn: Turn, streams: number) {
  const rig = turn.watch(await Rig.assemble(await turn.start(), mixed(streams)));
  const cpu = cpuSeconds(rig.server.pids);
  const redis = redisCpu(rig);
  const commands = await redisCommands(rig);
  const opened = await rig.open(IN_FLIGHT);
  const figures = {
    seconds: opened.seconds,
    wait: opened.wait.max / 1e6,
    cpuPerStream: ((cpuSeconds(rig.server.pids) - cpu + redisCpu(rig) - redis) / streams) * 1e6,
    redisPerStream: ((redisCpu(rig) - redis) / streams) * 1e6,
    commands: ((await redisCommands(rig)) - commands) / streams,
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
      peers: ['sisyphus', 'nchan-redis', 'nchan'],
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

async function returnAll(turn: Turn, streams: number) {
  const rig = turn.watch(await Rig.assemble(await turn.start(), mixed(streams)));
  const rooms = { first: 0, count: ROOMS };
  const users = { first: USERS, count: streams };
  await rig.open(IN_FLIGHT);
  // Everybody needs a position to come back with, and every channel a message before it.
  await rig.deliver({ rate: 0, total: ROOMS, channels: rooms });
  await rig.deliver({ rate: 0, total: streams, channels: users });
  await rig.client.cut();
  const missed = [await rig.publisher.run(0, ROOMS, rooms), await rig.publisher.run(0, streams * OWN, users)];
  for (const { errors, firstError } of missed)
    if (errors) rig.problems.push(`${errors} publishes failed: ${firstError}`);
  await rig.server.redis?.client.config('RESETSTAT');
  await rig.client.mark();
  const cpu = cpuSeconds(rig.server.pids);
  const redis = redisCpu(rig);
  const opened = await rig.open(IN_FLIGHT, 1000);
  const expected = rig.deliveries({ rate: 0, total: ROOMS, channels: rooms }) + streams * OWN;
  const report = await rig.settled(expected, 20);
  rig.judge(report, undefined, expected);
  const calls = rig.server.redis ? await commandCalls(rig.server.redis.client) : {};
  const perStream: Record<string, number> = {};
  for (const [name, count] of Object.entries(calls)) perStream[`calls ${name}`] = count / streams;
  return {
    seconds: report.lastAfter,
    wait: opened.wait.max / 1e6,
    cpuPerStream: ((cpuSeconds(rig.server.pids) - cpu + redisCpu(rig) - redis) / streams) * 1e6,
    redisPerStream: ((redisCpu(rig) - redis) / streams) * 1e6,
    commands: Object.values(calls).reduce((sum, count) => sum + count, 0) / streams,
    clientBusy: report.busy * 100,
    ...perStream,
  };
}

export const storm: Scenario = ({ quick }) => {
  const streams = quick ? 200 : 5_000;
  return [
    {
      name: 'storm',
      title: `${thousands(streams)} streams cut at once, back within a second, 20 missed messages each`,
      peers: ['sisyphus', 'nchan-redis', 'nchan'],
      show: SHOW,
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
