import { PUBLISH_SECRET } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { now } from './clock.ts';
import type { Ledger, Publication, Reader, StreamNote, Way } from './ledger.ts';
import type { BalancerOrder, BalancerReport } from './processes/balancer-process.ts';
import { Helper } from './processes/channel.ts';
import type { PublisherOrder, PublisherReport } from './processes/publisher-process.ts';
import type { ReaderOrder, ReaderReport } from './processes/reader-process.ts';
import { AnswerLost, type RedisLine } from './processes/redis-line.ts';
import type { Random } from './random.ts';
import { NEVER } from './truth.ts';

export interface LoadPlan {
  readers: number;
  /** Several readers of one user are tabs of one person. */
  users: number;
  rooms: number;
  roomsPerUser: number;
  /** Channels with unusual names, which everybody follows. */
  oddRooms?: string[];
  /** Raw streams do not say channels, which are learnt from the backlogs; without these there is only `json`. */
  noRaw?: boolean;
  /** Channels that the gateways may not hear: nothing is expected of them. */
  deniedRooms?: string[];
  publishers: number;
  /** Messages a second, and changes of rights a second, of all publishers together. */
  rate: number;
  changes: number;
  ways?: Record<Way, number>;
  /** One address for all gateways, instead of a list of them. */
  balancer?: boolean;
  /** When readers give up a silent stream; gateways send a `noop` every second. */
  silenceLimit?: number;
}

/** What the load needs of the world. */
interface Surroundings {
  readonly ledger: Ledger;
  readonly random: Random;
  readonly admin: RedisLine;
  readonly redis: { port: number };
  readonly posts: { port: number }[];
  note(what: string): void;
}

const READER_PROCESSES = 2;

/** Those who publish and those who read, each in processes of their own, so that a stopped gateway stops none of them. */
export class Load {
  readonly rooms: string[];
  readonly users: string[];
  readonly #plan: LoadPlan;
  readonly #world: Surroundings;
  readonly #readers: Helper<ReaderOrder, ReaderReport>[] = [];
  readonly #publishers: Helper<PublisherOrder, PublisherReport>[] = [];
  readonly #streams = new Map<string, StreamNote>();
  /** The last message on the user's own channel that each reader got. */
  readonly #lastOwn = new Map<string, string>();
  #balancer: Helper<BalancerOrder, BalancerReport> | undefined;
  #address: number[] = [];
  #finished = 0;
  #ended = false;

  constructor(plan: LoadPlan, world: Surroundings) {
    this.#plan = plan;
    this.#world = world;
    const numbered = Array.from({ length: plan.rooms }, (_, i) => `room:${i + 1}`);
    this.rooms = [...numbered, ...(plan.oddRooms ?? [])];
    this.users = Array.from({ length: plan.users }, (_, i) => `u${i + 1}`);
  }

  /** Writes the lists of channels, as an application would. */
  async prepare(): Promise<void> {
    const random = this.#world.random.fork('rights');
    const { oddRooms = [], deniedRooms = [] } = this.#plan;
    this.#world.ledger.denied.push(...deniedRooms);
    for (const user of this.users) {
      const channels = [
        ...random.sample(
          this.rooms.filter((room) => !oddRooms.includes(room)),
          this.#plan.roomsPerUser,
        ),
        ...oddRooms,
        ...deniedRooms,
      ];
      this.#world.ledger.rights.set(user, channels);
      if (channels.length > 0) await this.#world.admin.call('SADD', `user:${user}:channels`, ...channels);
    }
  }

  async start(): Promise<void> {
    this.#address = this.#world.posts.map(({ port }) => port);
    if (this.#plan.balancer) await this.#startBalancer();
    this.#startReaders();
    await eventually(() => this.#world.ledger.readers.every(({ name }) => this.#isOpen(name)), 15_000);
    this.#startPublishers();
  }

  setRate(rate: number): void {
    for (const publisher of this.#publishers) publisher.send({ rate: rate / this.#publishers.length });
  }

  redisAt(redisPort: number): void {
    for (const publisher of this.#publishers) publisher.send({ redisPort });
  }

  /** These readers end their streams, and stay away. */
  leave(names: string[]): void {
    for (const helper of this.#readers) helper.send({ leave: names });
  }

  /** Those that had gone come back with their positions, to the gateways that they left or to others. */
  comeBack(names: string[], to: 'another' | 'the same'): void {
    for (const helper of this.#readers) helper.send({ comeBack: { names, to } });
  }

  /** Ends publishing, then tells each user something in the slowest way: whoever has that has had everything before it. */
  async finish(deadlineMs: number): Promise<void> {
    for (const publisher of this.#publishers) publisher.send({ finish: true });
    await eventually(() => this.#finished === this.#publishers.length, 45_000);
    const end = now() + deadlineMs;
    const way = this.#plan.ways?.plain === 0 ? 'fcall' : 'plain';
    for (let round = 1; ; round++) {
      const text = `main end ${round}`;
      await Promise.all(this.users.map((user) => this.publish(way, `user:${user}`, text)));
      try {
        await eventually(() => this.#world.ledger.readers.every(({ name }) => this.#lastOwn.get(name) === text), 5000);
        return;
      } catch (error) {
        if (now() < end) continue;
        const silent = this.#world.ledger.readers.filter(({ name }) => this.#lastOwn.get(name) !== text);
        const what = `${silent.length} readers did not get the last message: ${silent.map(({ name }) => name).slice(0, 5)}`;
        this.#world.ledger.problems.push({ at: now(), who: 'the run', what: `${what} (${error})` });
        return;
      }
    }
  }

  #sequence = 0;

  /** Publishes one message from here, and writes it down. */
  async publish(way: 'plain' | 'fcall', channel: string, text: string): Promise<Publication> {
    const words = way === 'plain' ? ['PUBLISH', channel, text] : ['FCALL', 'sisyphus_publish', '0', channel, text];
    const head = {
      publisher: 'main',
      connection: this.#world.admin.connection,
      sequence: this.#sequence++,
      way,
      channel,
      text,
    };
    const sentAt = now();
    const reply = await this.#world.admin.call(...words).catch((error: Error) => error);
    const publication: Publication = { ...head, sentAt, settledAt: now(), outcome: 'acknowledged' };
    if (reply instanceof AnswerLost) Object.assign(publication, { outcome: 'unknown', settledAt: NEVER });
    else if (reply instanceof Error) Object.assign(publication, { outcome: 'refused', problem: reply.message });
    else if (way === 'plain') publication.receivers = Number(reply);
    else publication.id = Number(Array.isArray(reply) ? reply[0] : reply);
    this.#world.ledger.publications.push(publication);
    return publication;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#readers, ...this.#publishers, this.#balancer].map((helper) => helper?.end()));
  }

  #isOpen(reader: string): boolean {
    return this.#opened.has(reader);
  }

  readonly #opened = new Set<string>();

  async #startBalancer(): Promise<void> {
    let port = 0;
    const crash = (what: string): void => this.#crash(what);
    this.#balancer = new Helper<BalancerOrder, BalancerReport>(
      './balancer-process.ts',
      (report) => {
        port = report.port;
      },
      crash,
    );
    this.#balancer.send({ ports: this.#address });
    await eventually(() => port > 0, 10_000);
    this.#address = [port];
  }

  #startReaders(): void {
    const { readers, silenceLimit = 0, noRaw = false } = this.#plan;
    const all: Reader[] = Array.from({ length: readers }, (_, i) => ({
      name: `r${i + 1}`,
      user: this.users[i % this.users.length]!,
    }));
    this.#world.ledger.readers.push(...all);
    for (let i = 0; i < Math.min(READER_PROCESSES, readers); i++) {
      const helper = new Helper<ReaderOrder, ReaderReport>(
        './reader-process.ts',
        (report) => this.#takeRead(report),
        (what) => this.#crash(what),
      );
      const mine = all.filter((_, index) => index % Math.min(READER_PROCESSES, readers) === i);
      // One in four reads what a browser would read by default.
      const open = mine.map(
        (reader, index) => ({ ...reader, format: index % 4 === 3 && !noRaw ? 'raw' : 'json', silenceLimit }) as const,
      );
      helper.send({ ports: this.#address, open });
      this.#readers.push(helper);
    }
  }

  #startPublishers(): void {
    const { publishers, rate, changes, ways = { plain: 4, fcall: 3, http: 1 } } = this.#plan;
    for (let i = 0; i < publishers; i++) {
      const helper = new Helper<PublisherOrder, PublisherReport>(
        './publisher-process.ts',
        (report) => this.#takePublished(report),
        (what) => this.#crash(what),
      );
      const own = this.users.filter((_, index) => index % publishers === i);
      helper.send({
        start: {
          name: `p${i + 1}`,
          seed: this.#world.random.fork(`publisher ${i}`).integer(1, 2 ** 31),
          redisPort: this.#world.redis.port,
          ports: this.#world.posts.map(({ port }) => port),
          secret: PUBLISH_SECRET,
          channels: this.rooms,
          users: Object.fromEntries(own.map((user) => [user, this.#world.ledger.rights.get(user) ?? []])),
          rate: rate / publishers,
          changes: changes / publishers,
          ways,
        },
      });
      this.#publishers.push(helper);
    }
  }

  #takeRead({ frames, streams, problems }: ReaderReport): void {
    const { ledger } = this.#world;
    for (const frame of frames) {
      ledger.frames.push(frame);
      if (frame.kind === 'ok') this.#opened.add(frame.reader);
      if (frame.kind === 'message' && frame.text?.startsWith('main end ')) this.#lastOwn.set(frame.reader, frame.text);
    }
    for (const stream of streams) {
      const key = `${stream.reader} ${stream.stream}`;
      const known = this.#streams.get(key);
      if (known) known.closedAt = stream.closedAt;
      else {
        this.#streams.set(key, stream);
        ledger.streams.push(stream);
      }
    }
    ledger.problems.push(...problems);
  }

  #takePublished({ publications, finished }: PublisherReport): void {
    this.#world.ledger.publications.push(...(publications ?? []));
    if (finished) this.#finished++;
  }

  #crash(what: string): void {
    if (!this.#ended) this.#world.ledger.problems.push({ at: now(), who: 'the run', what });
  }
}
