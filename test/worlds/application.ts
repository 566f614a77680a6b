import { RedisLine } from '../fault/processes/redis-line.ts';
import type { Random } from '../fault/random.ts';
import { postPublish } from '../support/publisher.ts';
import { addTo, type ListType, takeFrom } from './lists.ts';
import type { ChangeWay, Plan, Way } from './plan.ts';

/** What is sent to Redis in one packet, as a program does that awaits nothing in between. */
export type Packet = string[][];

/** The key that a caller may declare. */
const KEY = ['1', 'sisyphus:{0}'];

/** The application of one world: it publishes in every way there is, and keeps lists of every type. */
export class Application {
  readonly world: string;
  readonly users: string[];
  readonly rooms: string[];
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #ports: () => number[];
  readonly #lines: RedisLine[];
  readonly #types: Map<string, ListType>;
  /** What the application believes to be on each list. */
  readonly #lists: Map<string, Set<string>>;
  #count = 0;
  #requests: Promise<unknown>[] = [];

  constructor(world: string, plan: Plan, random: Random, redisPort: number, ports: () => number[]) {
    this.world = world;
    this.#plan = plan;
    this.#random = random;
    this.#ports = ports;
    this.users = ['a', 'b'].map((name) => `${world}${name}`);
    this.rooms = Array.from({ length: 4 }, (_, i) => `room:${world}${i}`);
    this.#lines = [0, 1].map(() => new RedisLine(() => redisPort));
    this.#types = new Map(this.users.map((user) => [user, random.pick(['set', 'set', 'list', 'zset'] as const)]));
    this.#lists = new Map(this.users.map((user) => [user, new Set()]));
  }

  get isConnected(): boolean {
    return this.#lines.every(({ isOpen }) => isOpen);
  }

  /** Rooms that the user may follow, or may not. */
  roomsOf(user: string, listed: boolean): string[] {
    return this.rooms.filter((room) => this.#lists.get(user)?.has(room) === listed);
  }

  /** In one packet, on one of the connections. */
  send(packet: Packet, line = this.#random.pick(this.#lines)): Promise<unknown> {
    const answers: Promise<unknown>[] = [];
    line.together(() => {
      // What became of it is told by what Redis executed.
      for (const words of packet) answers.push(line.call(...words).catch(() => undefined));
    });
    return Promise.all(answers);
  }

  /** Everything that went by HTTP has been answered. */
  async settle(): Promise<void> {
    await Promise.all(this.#requests);
  }

  close(): void {
    for (const line of this.#lines) line.end();
  }

  text(): string {
    const tag = `T${this.world}.${this.#count++}T`;
    if (this.#random.chance(0.1)) return `${tag}\nanother line\r\nand a third`;
    return this.#random.chance(0.1) ? `${tag} ${'x'.repeat(400)}` : tag;
  }

  /** A message: among the commands of the packet, or at once where it goes by HTTP. */
  say(channel: string, way: Way = this.#random.pick(this.#plan.ways), text = this.text()): Packet {
    if (way === 'plain') return [['PUBLISH', channel, text]];
    if (way === 'fcall') return [['FCALL', 'sisyphus_publish', ...this.#key(), channel, text]];
    if (way === 'http') this.#post('/publish', { channel, data: text });
    else
      this.#post('/publish', [
        { channel, data: text },
        { channel: this.#random.pick(this.rooms), data: this.text() },
      ]);
    return [];
  }

  /** A change of rights, and the message that tells of it. */
  change(user: string, channel: string, granted: boolean, way: ChangeWay): Packet {
    const own = `user:${user}`;
    const verb = granted ? 'grant' : 'revoke';
    const data = this.text();
    switch (way) {
      case 'fcall':
        this.#believe(user, channel, granted);
        return [['FCALL', `sisyphus_${verb}`, ...this.#key(), user, channel, data]];
      case 'http':
        this.#believe(user, channel, granted);
        this.#post(`/${verb}`, { user, channel, data });
        return [];
      case 'plain':
        return [this.list(user, channel, granted), ...this.say(own, 'plain', data)];
      case 'plain, told by script':
        return [this.list(user, channel, granted), ...this.say(own, 'fcall', data)];
      case 'transaction':
        return [['MULTI'], this.list(user, channel, granted), ...this.say(own, 'plain', data), ['EXEC']];
      case 'untold':
        return [this.list(user, channel, granted)];
      case 'rewritten':
        return [...this.#rewrite(user, channel, granted), ...this.say(own, 'plain', data)];
    }
  }

  /** The change of the list alone. */
  list(user: string, channel: string, listed: boolean): string[] {
    this.#believe(user, channel, listed);
    const key = `user:${user}:channels`;
    const type = this.#types.get(user)!;
    return listed ? addTo(type, key, channel) : takeFrom(type, key, channel);
  }

  /** The list as a whole, of another type perhaps: some applications write nothing less. */
  #rewrite(user: string, channel: string, listed: boolean): Packet {
    this.#believe(user, channel, listed);
    const type = this.#random.pick(['set', 'list', 'zset'] as const);
    this.#types.set(user, type);
    const names = [...this.#lists.get(user)!];
    const key = `user:${user}:channels`;
    if (names.length === 0) return [['DEL', key]];
    if (this.#random.chance(0.5)) return [['MULTI'], ['DEL', key], addTo(type, key, ...names), ['EXEC']];
    const next = `user:${user}-next:channels`;
    return [['DEL', next], addTo(type, next, ...names), ['RENAME', next, key]];
  }

  #believe(user: string, channel: string, listed: boolean): void {
    const list = this.#lists.get(user)!;
    if (listed) list.add(channel);
    else list.delete(channel);
  }

  #key(): string[] {
    return this.#random.chance(0.5) ? KEY : ['0'];
  }

  #post(path: string, body: object): void {
    const [port] = this.#random.sample(this.#ports(), 1);
    // A gateway that is killed answers nothing; what was executed is seen in Redis.
    const request = postPublish(`http://127.0.0.1:${port}`, JSON.stringify(body), { path })
      .then((response) => response.arrayBuffer())
      .catch(() => undefined);
    this.#requests.push(request);
  }
}
