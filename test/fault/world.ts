import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { eventually, within } from '../support/wait.ts';
import { now } from './clock.ts';
import { judge, type Verdict } from './judge.ts';
import { Ledger } from './ledger.ts';
import { Load, type LoadPlan } from './load.ts';
import { RedisLine, type Reply } from './processes/redis-line.ts';
import { Random } from './random.ts';
import { readRecord } from './record.ts';

export interface WorldPlan extends LoadPlan {
  scenario: string;
  seed: number;
  gateways: number;
  /** Between each gateway and Redis, a relay of its own. */
  relays?: boolean;
  env?: Record<string, string>;
  redisArgs?: string[];
  /** What the gateways are told, where it is not simply the address of the Redis. */
  redisUrl?: string;
  /** The gateways' own user in Redis: name, password, rules. */
  gatewayUser?: [string, string, ...string[]];
}

/** One gateway of the world; its place outlives the processes that run there. */
export interface Post {
  gateway: Gateway;
  readonly port: number;
  readonly relay: Relay | undefined;
}

/** Redis, gateways, readers and publishers of one run, and the ledger that they fill. */
export class World {
  readonly ledger: Ledger;
  readonly random: Random;
  readonly posts: Post[] = [];
  redis: RedisServer;
  /** The application's and the operator's own connection to Redis. */
  readonly admin: RedisLine;
  readonly load: Load;
  readonly plan: WorldPlan;
  readonly #startedAt = now();
  /** Gateways whose end is expected from now on, and those that have ended. */
  readonly #ending = new Set<Gateway>();
  readonly #gone = new Set<Gateway>();

  static async start(plan: WorldPlan, redis?: RedisServer): Promise<World> {
    const world = new World(plan, redis ?? (await startRedis({ args: plan.redisArgs ?? [] })));
    try {
      await eventually(() => world.admin.isOpen);
      const [user, password, ...rules] = plan.gatewayUser ?? [];
      if (user) await world.admin.call('ACL', 'SETUSER', user, 'on', `>${password}`, ...rules);
      await world.load.prepare();
      await Promise.all(Array.from({ length: plan.gateways }, () => world.addGateway()));
      if (plan.env?.SISYPHUS_RAW_CHANNELS !== '') await world.hasRecorder();
      await world.load.start();
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  private constructor(plan: WorldPlan, redis: RedisServer) {
    this.plan = plan;
    this.redis = redis;
    this.ledger = new Ledger(plan.scenario, plan.seed);
    this.random = new Random(plan.seed);
    this.admin = new RedisLine(() => this.redis.port);
    this.load = new Load(plan, this);
  }

  /** Takes the time in which Redis and the gateways can run. */
  stopwatch(): Stopwatch {
    return new Stopwatch(() => ({ redis: this.redis.pid, gateways: this.posts.map(({ gateway }) => gateway.pid) }));
  }

  /** Every fault goes through here, so that whoever reads a violation sees what was done around it. */
  note(what: string): void {
    this.ledger.actions.push({ at: now(), what });
    if (process.env.FAULT_VERBOSE) console.log(`${((now() - this.#startedAt) / 1000).toFixed(2)} s  ${what}`);
  }

  call(...words: string[]): Promise<Reply> {
    this.note(words.join(' ').slice(0, 200));
    return this.admin.call(...words);
  }

  async addGateway(): Promise<Post> {
    const relay = this.plan.relays ? await startRelay({ targetPort: this.redis.port }) : undefined;
    const gateway = await startGateway(this.#env(relay));
    const post = { gateway, port: gateway.port, relay };
    this.posts.push(post);
    this.#watch(post);
    return post;
  }

  /** Ends a gateway without a word and starts another in its place. */
  async replace(post: Post, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.note(`${signal} to gateway ${post.port}`);
    this.#ending.add(post.gateway);
    post.gateway.kill(signal);
    await post.gateway.exited;
    // A port is refused for a moment where the old process's last sockets are still being closed.
    post.gateway = await eventually(
      () => startGateway({ ...this.#env(post.relay), PORT: String(post.port) }),
      10_000,
      50,
    );
    this.#watch(post);
    this.note(`gateway ${post.port} is back`);
  }

  /** Everybody goes to another Redis from now on. */
  moveTo(redis: RedisServer): void {
    this.note(`Redis is at port ${redis.port} from now on`);
    this.redis = redis;
    for (const { relay } of this.posts) relay?.retarget(redis.port);
    this.load.redisAt(redis.port);
  }

  /** Where the recorder is; a gateway that does not answer at once has no say. */
  async leader(): Promise<Post | undefined> {
    const asked = this.posts.map(async (post) => {
      if ((await this.roleOf(post)) !== 'leader') throw new Error('not the leader');
      return post;
    });
    return within(Promise.any(asked), 700, 'an answer').catch(() => undefined);
  }

  async roleOf(post: Post): Promise<string | undefined> {
    try {
      const { recorder } = await post.gateway.status();
      return (recorder as { role?: string } | undefined)?.role;
    } catch {
      return undefined; // killed or stopped: it has no role then
    }
  }

  async hasRecorder(deadlineMs = 10_000): Promise<Post> {
    return eventually(() => this.leader(), deadlineMs, 50);
  }

  /** Ends the load, waits until every reader has the last message, and judges. */
  async finish(deadlineMs = 20_000): Promise<Verdict> {
    await this.load.finish(deadlineMs);
    // What could not be recorded has no place to be missed at: it is announced within this time, whatever came since.
    if (this.ledger.licences.length > 0) await pause(3000);
    if (this.ledger.recorded === undefined && !this.ledger.licences.some(({ reason }) => reason === 'flushed')) {
      this.ledger.recorded = await readRecord(this.admin);
    }
    const verdict = judge(this.ledger);
    if (verdict.violations.length > 0 || process.env.FAULT_KEEP) this.#keepLedger(verdict);
    return verdict;
  }

  async close(): Promise<void> {
    await this.load.end();
    const living = this.posts.map(({ gateway }) => gateway).filter((gateway) => !this.#gone.has(gateway));
    for (const gateway of living) this.#ending.add(gateway);
    const endings = await Promise.allSettled(living.map((gateway) => gateway.stop()));
    await Promise.all(this.posts.map(({ relay }) => relay?.stop()));
    this.admin.end();
    await this.redis.stop();
    for (const ending of endings) if (ending.status === 'rejected') throw ending.reason;
  }

  #env(relay: Relay | undefined): Record<string, string> {
    const [user, password] = this.plan.gatewayUser ?? [];
    const credentials = user ? `${user}:${password}@` : '';
    return {
      REDIS_URL: this.plan.redisUrl ?? `redis://${credentials}127.0.0.1:${relay?.port ?? this.redis.port}`,
      SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
      SISYPHUS_NOOP_INTERVAL: '1s',
      SISYPHUS_BACKLOG_LENGTH: '1000000',
      SISYPHUS_DRAIN: '2s',
      ...this.plan.env,
    };
  }

  /** A gateway that ends by itself is a finding of its own. */
  #watch({ gateway, port }: Post): void {
    void gateway.exited.then(({ code, signal }) => {
      this.#gone.add(gateway);
      if (this.#ending.has(gateway)) return;
      const last = gateway.logs.slice(-3).map((line) => JSON.stringify(line));
      this.ledger.problems.push({
        at: now(),
        who: `gateway ${port}`,
        what: `ended (${code ?? signal}): ${last.join(' ')}`,
      });
    });
  }

  #keepLedger({ violations }: Verdict): void {
    const path = join(tmpdir(), `sisyphus-ledger-${this.ledger.scenario}-${this.ledger.seed}-${process.pid}.jsonl`);
    this.ledger.write(path);
    for (const { gateway, port } of this.posts) {
      writeFileSync(`${path}.${port}.log`, gateway.logs.map((line) => JSON.stringify(line)).join('\n'));
    }
    console.log(
      `${this.ledger.scenario}, seed ${this.ledger.seed}: ${violations.length} violations; the ledger is in ${path}`,
    );
  }
}
