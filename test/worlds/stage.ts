import { setTimeout as pause } from 'node:timers/promises';
import { RedisLine } from '../fault/processes/redis-line.ts';
import type { Post } from '../fault/world.ts';
import { startGateway } from '../support/gateway.ts';
import { Monitor } from '../support/monitor.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Link, type Relay, startRelay } from '../support/relay.ts';
import { WaitLog } from '../support/stopwatch.ts';
import { eventually } from '../support/wait.ts';
import { Chronicle } from './chronicle.ts';
import type { Distance, Plan } from './plan.ts';

/** Something that was done to gateways or Redis. */
export interface Deed {
  at: number;
  what: string;
}

/** A Redis and gateways, on which many worlds play at the same time, and what Redis tells of all it does. */
export class Stage {
  readonly posts: Post[] = [];
  readonly admin: RedisLine;
  readonly chronicle = new Chronicle();
  readonly deeds: Deed[] = [];
  /** By gateway, when it gave something to anybody. */
  readonly given = new Map<number, number[]>();
  readonly redis: RedisServer;
  readonly monitor: Monitor;
  readonly waits: WaitLog;
  readonly #plan: Plan;
  #marks = 0;

  static async start(plan: Plan): Promise<Stage> {
    const stage = new Stage(plan, await startRedis());
    try {
      await eventually(() => stage.admin.isOpen);
      await stage.caughtUp();
      // One after the other: the first is the recorder, and has the long way where one of them has.
      for (let i = 0; i < plan.gateways; i++) {
        await stage.#addGateway(i === 0 ? plan.distance : 'near');
        if (i === 0) await stage.#ready(stage.posts[0]!);
      }
      await Promise.all(stage.posts.map((post) => stage.#ready(post)));
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  private constructor(plan: Plan, redis: RedisServer) {
    this.#plan = plan;
    this.redis = redis;
    this.monitor = new Monitor(redis.port, (command) => this.chronicle.take(command));
    this.admin = new RedisLine(() => redis.port);
    this.waits = new WaitLog(() => ({ redis: redis.pid, gateways: this.posts.map(({ gateway }) => gateway.pid) }));
  }

  /** Where readers and publishers find gateways. */
  readonly ports = (): number[] => this.posts.map(({ port }) => port);

  /** A gateway has given something to somebody just now. */
  readonly gave = (gateway: number): void => {
    const times = this.given.get(gateway) ?? [];
    this.given.set(gateway, times);
    const now = Date.now();
    if (now > (times.at(-1) ?? 0)) times.push(now);
  };

  note(what: string): void {
    this.deeds.push({ at: Date.now(), what });
  }

  /** Until everything that Redis has executed by now is written down. */
  async caughtUp(): Promise<void> {
    const mark = `mark ${++this.#marks}`;
    await eventually(async () => (await this.admin.call('ECHO', mark).catch(() => undefined)) !== undefined, 20_000);
    await eventually(() => {
      if (this.monitor.broken) throw new Error(this.monitor.broken);
      return this.chronicle.hasHeard(mark);
    }, 20_000);
  }

  /** Ends a gateway, and starts another in its place after a while. */
  async replace(post: Post, signal: NodeJS.Signals, absentFor: number): Promise<void> {
    this.note(`${signal} to gateway ${post.port}`);
    post.gateway.kill(signal);
    await post.gateway.exited;
    await pause(absentFor);
    const env = { ...this.#env(post.relay), PORT: String(post.port) };
    // The port is refused for a moment, where sockets of the old process are still being closed.
    post.gateway = await eventually(() => startGateway(env), 20_000, 50);
    this.note(`gateway ${post.port} is back`);
  }

  async close(): Promise<void> {
    const endings = await Promise.allSettled(this.posts.map(({ gateway }) => gateway.stop()));
    await Promise.all(this.posts.map(({ relay }) => relay?.stop()));
    this.admin.end();
    this.waits.end();
    this.monitor.close();
    await this.redis.stop();
    for (const ending of endings) if (ending.status === 'rejected') throw ending.reason;
  }

  async #addGateway(distance: Distance): Promise<void> {
    const relay =
      distance === 'near'
        ? undefined
        : await startRelay({ targetPort: this.redis.port, onLink: (link) => lengthen(link, distance) });
    const gateway = await startGateway(this.#env(relay));
    this.posts.push({ gateway, port: gateway.port, relay });
  }

  async #ready({ port }: Post): Promise<void> {
    await eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200, 15_000, 50);
  }

  #env(relay: Relay | undefined): Record<string, string> {
    return {
      REDIS_URL: `redis://127.0.0.1:${relay?.port ?? this.redis.port}`,
      SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
      SISYPHUS_MAX_STREAMS_PER_USER: '100',
      SISYPHUS_NOOP_INTERVAL: '1s',
      SISYPHUS_BACKLOG_LENGTH: '10000',
      ...this.#plan.env,
    };
  }
}

/** Makes the way of some connections longer, as soon as their names are known. */
function lengthen(link: Link, distance: Distance): void {
  if (distance === 'far') {
    link.up.delay(FAR);
    link.down.delay(FAR);
    return;
  }
  link.up.onBytes = (bytes) => {
    const name = /sisyphus:(\w+)/.exec(bytes.toString('latin1'))?.[1];
    if (name === undefined) return;
    link.up.onBytes = undefined;
    if (distance === 'hub behind' && name === 'hub') link.down.delay(BEHIND);
    // What records is neither of those that hear.
    if (distance === 'records late' && name !== 'hub' && name !== 'recorder') link.up.delay(BEHIND);
  };
}

/** One way (ms): two data centres of one region. */
const FAR = 3;
/** What one connection may be behind another where a network or a process is busy (ms). */
const BEHIND = 30;
