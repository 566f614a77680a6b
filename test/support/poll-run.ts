import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../fault/random.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { PUBLISH_SECRET } from './publisher.ts';
import { RawSocket } from './raw-socket.ts';
import type { RedisServer } from './redis.ts';
import { type Relay, startRelay } from './relay.ts';
import { begin, sendTo } from './sock-it.ts';

const GATEWAYS = 2;
/** Sessions of each kind. */
const SESSIONS = 5;
const KEY = 'sisyphus:{0}';
/** How long a client may go on after the last message until it has everything (ms). */
const REST = 20_000;

interface RunOptions {
  seconds: number;
  seed: number;
  redis: RedisServer;
  /** Told of the course of a long run. */
  say?: (text: string) => void;
}

export interface Run {
  polls: number;
  /** Messages that clients have got. */
  got: number;
  /** Messages that clients without `ack` have not got. */
  lost: number;
  kills: number;
  /** How often the ways to Redis were cut. */
  cuts: number;
  problems: string[];
}

/**
 * Clients that poll at random gateways and cut their polls at random moments, while messages are sent to them, and gateways are killed or cut from Redis. Whoever
 * acknowledges must get every message once and in order; whoever does not must get none twice, and all in order.
 */
export async function runPolls({ seconds, seed, redis, say = () => undefined }: RunOptions): Promise<Run> {
  const random = new Random(seed);
  const fleet = await Fleet.start(redis);
  const run: Run = { polls: 0, got: 0, lost: 0, kills: 0, cuts: 0, problems: [] };
  const readers: Reader[] = [];
  for (let i = 0; i < SESSIONS; i++) {
    for (const kind of ['plain', 'ack', 'user'] as const) {
      readers.push(await Reader.open(fleet, `${kind}${i}`, kind, random.fork(`${kind}${i}`), redis));
    }
  }
  const until = Date.now() + seconds * 1000;
  const failing = fleet.fail(random.fork('failures'), until, run);
  const reading = readers.map((reader) => reader.read());
  let sent = 0;
  while (Date.now() < until) {
    await Promise.all(readers.map((reader) => (random.chance(0.4) ? reader.send() : undefined)));
    await pause(random.between(1, 40));
    if (sent++ % 200 === 0) say(`${readers.reduce((sum, { polls }) => sum + polls, 0)} polls`);
  }
  await failing;
  for (const reader of readers) reader.finish();
  await Promise.all(reading);
  for (const reader of readers) reader.judge(run);
  await fleet.stop();
  return run;
}

/** Gateways that are killed and started again, or cut from Redis; messages are sent by one that is neither. */
class Fleet {
  readonly sender: Gateway;
  readonly #relay: Relay;
  readonly #gateways: Gateway[];

  private constructor(relay: Relay, sender: Gateway, gateways: Gateway[]) {
    this.#relay = relay;
    this.sender = sender;
    this.#gateways = gateways;
  }

  static async start(redis: RedisServer): Promise<Fleet> {
    const relay = await startRelay({ targetPort: redis.port });
    const sender = await startOn(redis.port);
    return new Fleet(relay, sender, await Promise.all(Array.from({ length: GATEWAYS }, () => startOn(relay.port))));
  }

  port(random: Random): number {
    return random.pick([...this.#gateways, this.sender]).port;
  }

  async fail(random: Random, until: number, run: Run): Promise<void> {
    for (;;) {
      await pause(random.between(1000, 2500));
      if (Date.now() > until) return;
      if (random.chance(0.5)) {
        run.cuts++;
        for (const link of random.sample([...this.#relay.links], random.integer(1, this.#relay.links.size))) {
          link.cut(random.chance(0.5) ? 'reset' : 'end');
        }
        continue;
      }
      run.kills++;
      const at = random.integer(0, GATEWAYS - 1);
      const gateway = this.#gateways[at]!;
      gateway.kill('SIGKILL');
      await gateway.exited;
      this.#gateways[at] = await startOn(this.#relay.port);
    }
  }

  async stop(): Promise<void> {
    for (const gateway of [...this.#gateways, this.sender]) await gateway.stop();
    await this.#relay.stop();
  }
}

function startOn(redisPort: number): Promise<Gateway> {
  return startGateway({
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    SISYPHUS_PROTOCOLS: 'sock.it',
    SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET,
    SISYPHUS_BACKLOG_LENGTH: '10000',
  });
}

/** One browser: its session, what was sent to it, and every byte that it got. */
class Reader {
  polls = 0;
  readonly #sent: string[] = [];
  /** Of whole answers that the client has taken. */
  readonly #taken: string[] = [];
  /** In the order of the bytes, those of answers that were cut, too. */
  readonly #seen: string[] = [];
  readonly #problems: string[] = [];
  #batch = 0;
  #isFinishing = false;
  #finishBy = 0;

  private constructor(
    private readonly fleet: Fleet,
    private readonly name: string,
    private readonly session: string,
    private readonly kind: 'plain' | 'ack' | 'user',
    private readonly random: Random,
    private readonly redis: RedisServer,
  ) {}

  static async open(
    fleet: Fleet,
    name: string,
    kind: 'plain' | 'ack' | 'user',
    random: Random,
    redis: RedisServer,
  ): Promise<Reader> {
    const query = { plain: '', ack: '?ack=1', user: `?ack=1&user=${name}` }[kind];
    return new Reader(fleet, name, await begin(fleet.sender.url, query), kind, random, redis);
  }

  async send(): Promise<void> {
    const text = `${this.name}.${this.#sent.length};`;
    this.#sent.push(text);
    if (this.kind === 'user') {
      await this.#client.call('FCALL', 'sisyphus_publish', '1', KEY, `user:${this.name}`, text);
    } else await sendTo(this.fleet.sender.url, this.session, [text]);
  }

  finish(): void {
    this.#isFinishing = true;
    this.#finishBy = Date.now() + REST;
  }

  async read(): Promise<void> {
    while (!this.#isFinishing || (!this.#hasAll && Date.now() < this.#finishBy)) {
      const seen = this.#seen.length;
      const isLast = this.#isFinishing;
      await this.#poll();
      // Without `ack` the last message may be lost: then one poll in peace gets nothing.
      if (isLast && this.kind === 'plain' && this.#seen.length === seen) return;
    }
  }

  judge(run: Run): void {
    run.polls += this.polls;
    run.got += this.#taken.length;
    run.problems.push(...this.#problems);
    if (this.kind !== 'plain') {
      if (this.#taken.join('') !== this.#sent.join('')) {
        const at = this.#sent.findIndex((text, i) => text !== this.#taken[i]);
        run.problems.push(
          `${this.name}: sent ${this.#sent.length} and got ${this.#taken.length}; from ${at} on: ${this.#taken.slice(at, at + 5).join('')}`,
        );
      }
      return;
    }
    const places = this.#seen.map((text) => this.#sent.indexOf(text));
    if (places.some((place, i) => place <= (places[i - 1] ?? -1))) {
      run.problems.push(`${this.name}: twice, or not in order: ${this.#seen.join('')}`);
    }
    run.lost += this.#sent.length - new Set(this.#seen).size;
  }

  get #client() {
    this.#known ??= this.redis.client();
    return this.#known;
  }
  #known: ReturnType<RedisServer['client']> | undefined;

  get #hasAll(): boolean {
    return (this.kind === 'plain' ? this.#seen : this.#taken).at(-1) === this.#sent.at(-1);
  }

  /** One poll, which is cut at a random moment as a rule, and not any more at the end. */
  async #poll(): Promise<void> {
    this.polls++;
    const socket = new RawSocket(this.fleet.port(this.random));
    const query = this.kind === 'plain' ? '' : `?got=${this.#batch}`;
    socket.send(`POST /sock.it/${this.session}/poll${query} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const patience = this.#isFinishing ? 5_000 : this.random.chance(0.7) ? this.random.between(0, 60) : 3_000;
    const until = Date.now() + patience;
    while (!isWhole(socket.text) && !socket.closed && Date.now() < until) await pause(1);
    socket.close();
    this.#take(socket.text);
    // A gateway that was just killed refuses connections.
    if (socket.text === '' && socket.closed) await pause(20);
  }

  #take(answer: string): void {
    const texts = answer.match(new RegExp(`${this.name}\\.\\d+;`, 'g')) ?? [];
    this.#seen.push(...texts);
    if (!isWhole(answer)) return;
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
    if (answer.includes('poll-start=')) this.#problems.push(`${this.name}: the session is gone`);
    if (status !== '200') return;
    const [, batch] = /\r\nSisyphus-Batch: (\d+)\r\n/i.exec(answer) ?? [];
    if (batch !== undefined) this.#batch = Number(batch);
    this.#taken.push(...texts);
  }
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  const [, length] = /\r\nContent-Length: (\d+)\r\n/i.exec(answer) ?? [];
  return end >= 0 && length !== undefined && answer.length >= end + 4 + Number(length);
}
