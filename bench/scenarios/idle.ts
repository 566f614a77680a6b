import { setTimeout as pause } from 'node:timers/promises';
import { cpuSeconds, memoryKilobytes } from '../processes.ts';
import { Rig } from '../rig.ts';
import { type Scenario, thousands } from '../scenario.ts';
import { mixed } from './audience.ts';

/** From the last stream to the window (ms). */
const SETTLING = 75_000;
/** Two noops a stream, and a whole round in which the gateway reads everybody's list again. */
const WINDOW = 32;

export const idle: Scenario = ({ quick }) => {
  const streams = quick ? 200 : 15_000;
  const window = quick ? 2 : WINDOW;
  return [
    {
      name: 'idle',
      title: `${thousands(streams)} idle users with 11 channels each`,
      peers: ['sisyphus', 'nchan', 'nchan-redis', 'mercure', 'centrifugo'],
      show: ['memory', 'redisMemory', 'base', 'noopCpu', 'noops'],
      goals: quick
        ? []
        : [
            { metric: 'memory', atMost: 12 },
            { metric: 'memory', against: 'nchan-best', atMost: 1 },
            { metric: 'noopCpu', atMost: 1 },
          ],
      async measure(turn) {
        const server = await turn.start();
        const rig = turn.watch(await Rig.assemble(server, mixed(streams)));
        const redisPids = server.redis ? [server.redis.pid] : [];
        const before = memoryKilobytes(server.pids);
        const redisBefore = memoryKilobytes(redisPids);
        await rig.open();
        // What opening left behind is not what a stream holds, nor what a noop costs: a minute later the garbage is gone, or
        // it stays (Node collects it in three steps of together 0.5 s of its time, 20 to 50 s after the last stream).
        await pause(quick ? 500 : SETTLING);
        await rig.client.mark();
        const cpu = cpuSeconds(server.pids);
        await pause(window * 1000);
        const spent = cpuSeconds(server.pids) - cpu;
        const report = await rig.client.report();
        rig.judge(report, undefined, 0);
        return {
          memory: (memoryKilobytes(server.pids) - before) / streams,
          redisMemory: (memoryKilobytes(redisPids) - redisBefore) / streams,
          base: before / 1024,
          noopCpu: (spent / window) * 100 * (10_000 / streams),
          noops: report.noops / streams,
        };
      },
    },
  ];
};
