import { setTimeout as pause } from 'node:timers/promises';
import { LoadClient, type Opened, type Report } from './load-client.ts';
import { channelName, type PollForm, type Reader, type Server } from './peers/peer.ts';
import { cpuSeconds, machineSeconds, until } from './processes.ts';
import { type ChannelRange, type Published, Publisher, sharesOf } from './publisher.ts';

/** Above this share of a core the client's own queue would be part of the latency. */
const SATURATED = 0.92;

/** What was measured in one turn, by metric (see metrics.ts). */
export type Figures = Record<string, number>;

export class Saturated extends Error {}

export interface Load {
  /** Messages a second over all channels; 0 as fast as they are taken. */
  rate: number;
  total: number;
  channels: ChannelRange;
}

/** A server with its streams open, a client that reads them and a publisher. */
export class Rig {
  readonly server: Server;
  readonly client: LoadClient;
  readonly publisher: Publisher;
  readonly readers: readonly Reader[];
  /** What was wrong: a turn with any of these has no valid figures. */
  readonly problems: string[] = [];

  private constructor(server: Server, client: LoadClient, publisher: Publisher, readers: readonly Reader[]) {
    this.server = server;
    this.client = client;
    this.publisher = publisher;
    this.readers = readers;
  }

  static async assemble(
    server: Server,
    readers: readonly Reader[],
    way: 'recorded' | 'plain' = 'recorded',
  ): Promise<Rig> {
    await server.admit?.(readers);
    const plan = readers.map((reader) => ({ path: server.path(reader), channels: reader.channels }));
    const client = new LoadClient(server.port, server.readyOn, plan);
    const publisher = new Publisher(way === 'plain' ? server.publishPlain! : server.publish);
    await client.start();
    await publisher.start();
    return new Rig(server, client, publisher, readers);
  }

  /** The same with long polls, each of the first channel of its reader. */
  static async assemblePolls(server: Server, readers: readonly Reader[], form: PollForm): Promise<Rig> {
    const path = server.poll![form]!;
    const plan = readers.map(({ channels }) => ({ path: path(channelName(channels[0]!)), channels }));
    const client = new LoadClient(server.port, form, plan);
    const publisher = new Publisher(server.publish);
    await client.start();
    await publisher.start();
    return new Rig(server, client, publisher, readers);
  }

  async open(inFlight = 1000, spread = 0): Promise<Opened> {
    const opened = await this.client.open(Math.min(inFlight, this.server.inFlight ?? inFlight), spread);
    if (opened.open !== this.readers.length)
      this.problems.push(`${opened.open} of ${this.readers.length} streams opened`);
    if (opened.refused) this.problems.push(`${opened.refused} streams refused`);
    return opened;
  }

  /** Publishes the load and waits until everything has been read; adds what went wrong to `problems`. */
  async deliver(load: Load): Promise<Figures> {
    const expected = this.deliveries(load);
    await this.client.mark();
    const before = this.#costs();
    const published = await this.publisher.run(load.rate, load.total, load.channels);
    const report = await this.settled(expected, 30);
    const after = this.#costs();
    this.judge(report, published, expected);
    if (report.busy > SATURATED) throw new Saturated(`the client used ${Math.round(report.busy * 100)} % of a core`);
    const wall = after.at - before.at;
    const perEvent = (seconds: number) => (seconds * 1e6) / expected;
    const gateway = after.gateway - before.gateway;
    const redis = after.redis - before.redis;
    const ours = gateway + redis + (after.own - before.own);
    return {
      cpu: perEvent(gateway + redis),
      gatewayCpu: perEvent(gateway),
      redisCpu: perEvent(redis),
      p50: report.latency.p50 / 1000,
      p99: report.latency.p99 / 1000,
      worst: report.latency.max / 1000,
      events: expected,
      joined: report.delivered / report.reads,
      gatewayBusy: (gateway / wall) * 100,
      clientBusy: report.busy * 100,
      othersBusy: Math.max(0, ((after.machine - before.machine - ours) / wall) * 100),
      publisherLate: published.lateMax / 1000,
    };
  }

  /** How many events the load must bring to the readers. */
  deliveries({ total, channels }: Load): number {
    const shares = sharesOf(total, channels);
    let sum = 0;
    for (const reader of this.readers) for (const channel of reader.channels) sum += shares.get(channel) ?? 0;
    return sum;
  }

  /** The client's report once `expected` events have come, or when nothing more comes. */
  async settled(expected: number, seconds: number): Promise<Report> {
    let report = await this.client.report();
    let last = performance.now();
    return until('events', 600, async () => {
      const next = await this.client.report();
      if (next.delivered !== report.delivered) last = performance.now();
      report = next;
      if (report.delivered + report.duplicate >= expected || performance.now() - last > seconds * 1000) return report;
      await pause(30);
      return undefined;
    });
  }

  judge(report: Report, published: Published | undefined, expected: number): void {
    const wrong = (count: number, what: string) => count > 0 && this.problems.push(`${count} ${what}`);
    if (published?.errors) this.problems.push(`${published.errors} publishes failed: ${published.firstError}`);
    wrong(expected - report.delivered, 'events missing');
    wrong(report.lost, 'events skipped');
    wrong(report.duplicate, 'events doubled or out of order');
    wrong(report.unknown, 'events of foreign channels');
    wrong(report.resets, 'resets');
    wrong(report.closed, 'streams closed by the server');
  }

  #costs() {
    return {
      at: performance.now() / 1000,
      gateway: cpuSeconds(this.server.pids),
      redis: this.server.redis ? cpuSeconds([this.server.redis.pid]) : 0,
      own: cpuSeconds([this.client.pid, this.publisher.pid, process.pid]),
      machine: machineSeconds(),
    };
  }

  async close(): Promise<void> {
    await this.publisher.close();
    await this.client.close();
  }
}
