import type { Reader } from '../peers/peer.ts';
import { type Figures, Rig } from '../rig.ts';
import { type Scenario, type Turn, thousands } from '../scenario.ts';
import { oneRoom } from './audience.ts';

/** The costs at each size, and how far they lie apart; the server's own part goes with them, to tell who grows. */
function flatness(at: Map<string, Figures>): Figures {
  const figures: Figures = {};
  const costs = [...at.values()].map(({ cpu }) => cpu!);
  for (const [size, { cpu, gatewayCpu }] of at) {
    figures[`cpu at ${size}`] = cpu!;
    figures[`server at ${size}`] = gatewayCpu!;
  }
  return { ...figures, flatness: Math.max(...costs) / Math.min(...costs) };
}

/** A stream for each channel up to 2,000, then more channels on each: every message has one reader, whatever the number. */
function spreadOut(channels: number): Reader[] {
  const streams = Math.min(channels, 2_000);
  const each = channels / streams;
  return Array.from({ length: streams }, (_, user) => ({
    user,
    channels: Array.from({ length: each }, (_, i) => user * each + i),
  }));
}

async function overStreams(turn: Turn, sizes: number[], seconds: number): Promise<Figures> {
  const costs = new Map<string, Figures>();
  for (const size of sizes) {
    const rig = turn.watch(await Rig.assemble(await turn.start(), oneRoom(size)));
    await rig.open();
    const channels = { first: 0, count: 1 };
    // The same number of events at every size, so that each is measured over as much work.
    const total = Math.ceil((5 * seconds * 16_000) / size);
    const rate = Math.min(20, (5 * 16_000) / size);
    await rig.deliver({ rate, total: Math.ceil(total / 3), channels });
    costs.set(`${thousands(size)} streams`, await rig.deliver({ rate, total, channels }));
    await turn.clear();
  }
  return flatness(costs);
}

async function overChannels(turn: Turn, sizes: number[], rate: number, seconds: number): Promise<Figures> {
  const costs = new Map<string, Figures>();
  for (const size of sizes) {
    const rig = turn.watch(await Rig.assemble(await turn.start(), spreadOut(size)));
    await rig.open();
    const channels = { first: 0, count: size };
    // Every channel gets its first message, which creates its keys, before the clock runs.
    await rig.deliver({ rate: 0, total: Math.max(size, rate * 3), channels });
    costs.set(`${thousands(size)} channels`, await rig.deliver({ rate, total: rate * seconds, channels }));
    await turn.clear();
  }
  return flatness(costs);
}

export const growth: Scenario = ({ quick, seconds }) => {
  const streams = quick ? [100, 400] : [1_000, 4_000, 16_000];
  const channels = quick ? [10, 1_000] : [10, 1_000, 10_000, 100_000];
  const goals = quick ? [] : [{ metric: 'flatness', atMost: 1.15 }];
  return [
    {
      name: 'growth/streams',
      title: `1 channel, ${streams.map(thousands).join(', ')} streams`,
      peers: ['sisyphus'],
      show: [...streams.map((size) => `cpu at ${thousands(size)} streams`), 'flatness'],
      goals,
      measure: (turn) => overStreams(turn, streams, quick ? 0.05 : 10 * seconds),
    },
    {
      name: 'growth/channels',
      title: `${channels.map(thousands).join(', ')} channels with one reader each`,
      peers: ['sisyphus'],
      show: [...channels.map((size) => `cpu at ${thousands(size)} channels`), 'flatness'],
      goals,
      measure: (turn) => overChannels(turn, channels, quick ? 500 : 2_000, quick ? 1 : 8 * seconds),
    },
  ];
};
