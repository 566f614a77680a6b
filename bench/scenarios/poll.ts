import { setTimeout as pause } from 'node:timers/promises';
import { memoryKilobytes } from '../processes.ts';
import { Rig } from '../rig.ts';
import { type Goal, type Scenario, type Turn, thousands } from '../scenario.ts';
import { oneRoom } from './audience.ts';

/** From the last poll to the look at the memory (ms): what opening left behind is not what a poll holds. */
const SETTLING = 45_000;
/** From the first request of each client until all of them wait, and from one load to the next (ms). */
const WAITING = 2000;
const PUBLIC = { SISYPHUS_PROTOCOLS: 'rt', SISYPHUS_PUBLIC_CHANNELS: 'room:*' };
const SHOW = ['cpu', 'gatewayCpu', 'redisCpu', 'memory', 'p50', 'p99', 'gatewayBusy', 'clientBusy', 'othersBusy'];

async function measure(turn: Turn, form: 'rt' | 'stream', polls: number, seconds: number, settling: number) {
  const server = await turn.start(PUBLIC);
  const asked = turn.peer === 'sisyphus' ? form : 'nchan';
  const rig = turn.watch(await Rig.assemblePolls(server, oneRoom(polls), asked));
  const before = memoryKilobytes(server.pids);
  await rig.open();
  await pause(settling);
  const memory = (memoryKilobytes(server.pids) - before) / polls;
  const channels = { first: 0, count: 1 };
  await rig.deliver({ rate: 1, total: Math.ceil(seconds / 2), channels });
  await pause(WAITING);
  const figures = await rig.deliver({ rate: 1, total: seconds, channels });
  return { ...figures, memory };
}

export const poll: Scenario = ({ quick, seconds }) => {
  const polls = quick ? 200 : 2_000;
  const goals: Goal[] = quick
    ? []
    : [
        { metric: 'cpu', against: 'nchan-redis', atMost: 1 },
        { metric: 'memory', atMost: 12 },
      ];
  const lasts = quick ? 4 : Math.ceil(20 * seconds);
  const settling = quick ? WAITING : SETTLING;
  return (['rt', 'stream'] as const).map((form) => ({
    name: `poll/${form}`,
    title: `1 channel, ${thousands(polls)} waiting polls (${form === 'rt' ? '/rt' : '?poll'}), 1 message/s`,
    peers: form === 'rt' ? ['sisyphus', 'nchan', 'nchan-redis'] : ['sisyphus'],
    show: SHOW,
    goals: form === 'rt' ? goals : [],
    measure: (turn) => measure(turn, form, polls, lasts, settling),
  }));
};
