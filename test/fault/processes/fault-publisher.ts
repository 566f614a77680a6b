import { now } from '../clock.ts';
import type { Outcome, Publication, RightsNote, Way } from '../ledger.ts';
import { Random } from '../random.ts';
import { NEVER } from '../truth.ts';
import { HttpLine } from './http-line.ts';
import { AnswerLost, RedisLine, RedisRefusal, type Reply } from './redis-line.ts';

export interface PublisherPlan {
  name: string;
  seed: number;
  redisPort: number;
  ports: number[];
  secret: string;
  channels: string[];
  /** The users whose own channels it publishes on, and whose rights it alone changes, with what they may follow now. */
  users: Record<string, string[]>;
  /** Messages a second, changes of rights a second. */
  rate: number;
  changes: number;
  /** How much of each way, as weights. */
  ways: Record<Way, number>;
}

/** Answers that come later than this count as lost. Longer than any stop of Redis in the suite. */
const FINISH_WITHIN = 30_000;
const TICK_MS = 10;

/** The change that a message announces, once it is known whether there was one. */
type Note = (outcome: Outcome) => RightsNote | undefined;
type Settled = Pick<Publication, 'outcome' | 'id' | 'receivers' | 'problem'>;

/** An application that publishes in every way there is, and writes down what it was answered. */
export class FaultPublisher {
  readonly #plan: PublisherPlan;
  readonly #done: (publication: Publication) => void;
  readonly #random: Random;
  readonly #redis: RedisLine;
  readonly #http: HttpLine;
  readonly #rights: Map<string, Set<string>>;
  /** User and channel of changes that are on their way: the next one waits for them. */
  readonly #changing = new Set<string>();
  #redisPort: number;
  #sequence = 0;
  #outstanding = 0;
  #owed = 0;
  #owedChanges = 0;
  #lastTick = now();
  #rate: number;
  #finishing = false;

  constructor(plan: PublisherPlan, done: (publication: Publication) => void) {
    this.#plan = plan;
    this.#done = done;
    this.#random = new Random(plan.seed);
    this.#redisPort = plan.redisPort;
    this.#rate = plan.rate;
    this.#redis = new RedisLine(() => this.#redisPort);
    this.#http = new HttpLine(plan.ports, plan.secret);
    this.#rights = new Map(Object.entries(plan.users).map(([user, channels]) => [user, new Set(channels)]));
    setInterval(() => this.#tick(), TICK_MS);
  }

  gateways(ports: number[]): void {
    this.#http.ports = ports;
  }

  redisAt(port: number): void {
    this.#redisPort = port;
  }

  /** Messages a second; changes of rights keep their share. */
  setRate(rate: number): void {
    this.#rate = rate;
  }

  /** Publishes nothing more, and waits for what was published to be answered. */
  async finish(): Promise<void> {
    this.#finishing = true;
    this.#http.giveUpAt = now() + FINISH_WITHIN;
    const end = now() + FINISH_WITHIN + 5000;
    while (this.#outstanding > 0 && now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #tick(): void {
    const elapsed = Math.min(now() - this.#lastTick, 200);
    this.#lastTick = now();
    if (this.#finishing) return;
    this.#owed += (elapsed * this.#rate) / 1000;
    this.#owedChanges += (elapsed * this.#plan.changes * this.#rate) / (this.#plan.rate || 1) / 1000;
    this.#redis.together(() => {
      for (; this.#owed >= 1; this.#owed--) this.#publishOne();
      for (; this.#owedChanges >= 1; this.#owedChanges--) this.#changeOne();
    });
  }

  #publishOne(): void {
    const users = [...this.#rights.keys()];
    const toUser = users.length > 0 && this.#random.chance(0.05);
    const channel = toUser ? `user:${this.#random.pick(users)}` : this.#random.pick(this.#plan.channels);
    // Identical texts, by different ways too: what tells messages apart must be their place, not their text.
    const text = this.#random.chance(0.1) ? `${this.#plan.name} again` : `${this.#plan.name} no. ${this.#sequence}`;
    void this.#publish(this.#way(), channel, text);
  }

  #way(): Way {
    const { plain, fcall, http } = this.#plan.ways;
    const draw = this.#random.next() * (plain + fcall + http);
    if (draw < plain) return 'plain';
    return draw < plain + fcall ? 'fcall' : 'http';
  }

  #publish(way: Way, channel: string, text: string, rights?: Note): Promise<Publication> {
    if (way === 'http') {
      return this.#settle(way, channel, text, rights, this.#http.post('/publish', { channel, data: text }));
    }
    const words = way === 'plain' ? ['PUBLISH', channel, text] : ['FCALL', 'sisyphus_publish', '0', channel, text];
    return this.#settle(way, channel, text, rights, this.#redis.call(...words));
  }

  /** Writes down what became of it; not at all where it never left. */
  async #settle(
    way: Way,
    channel: string,
    text: string,
    rights: Note | undefined,
    answer: Promise<Reply>,
  ): Promise<Publication> {
    const connection = way === 'http' ? undefined : this.#redis.connection;
    const publication = { publisher: this.#plan.name, connection, sequence: this.#sequence++, way, channel, text };
    const sentAt = now();
    this.#outstanding++;
    const settled = await answer.then((reply) => read(way, reply), readFailure);
    this.#outstanding--;
    const settledAt = settled.outcome === 'unknown' ? NEVER : now();
    const note = rights?.(settled.outcome);
    const whole: Publication = { ...publication, sentAt, settledAt, ...settled, ...(note && { rights: note }) };
    if (settled.problem !== 'not connected') this.#done(whole);
    return whole;
  }

  /** Grants or revokes in one of the ways there are, between two messages on the channel that come before anybody has heard. */
  #changeOne(): void {
    const users = [...this.#rights.keys()];
    if (users.length === 0 || !this.#redis.isOpen) return;
    const user = this.#random.pick(users);
    const channel = this.#random.pick(this.#plan.channels);
    const key = `${user}\n${channel}`;
    if (this.#changing.has(key)) return;
    this.#changing.add(key);
    const change = this.#rights.get(user)?.has(channel) ? 'revoke' : 'grant';
    const how = this.#random.pick(['application', 'application by fcall', 'fcall', 'http'] as const);
    const atomic = how === 'fcall' || how === 'http';
    const note: RightsNote = { user, channel, change, beganAt: now(), atomic };
    const neighbour = (): void => {
      if (this.#random.chance(0.4))
        void this.#publish(this.#way(), channel, `${this.#plan.name} no. ${this.#sequence}`);
    };
    neighbour();
    const told = this.#tell(how, note);
    neighbour();
    void told.then((publication) => {
      this.#changing.delete(key);
      if (publication.outcome !== 'acknowledged') return;
      if (change === 'grant') this.#rights.get(user)?.add(channel);
      else this.#rights.get(user)?.delete(channel);
    });
  }

  #tell(how: 'application' | 'application by fcall' | 'fcall' | 'http', note: RightsNote): Promise<Publication> {
    const { user, channel, change } = note;
    const own = `user:${user}`;
    const text = `${this.#plan.name} no. ${this.#sequence}: ${change} ${channel} to ${user}`;
    const atomic: Note = (outcome) => (outcome === 'refused' ? undefined : note);
    if (how === 'http') {
      const answer = this.#http.post(`/${change}`, { user, channel, data: text });
      return this.#settle('http', own, text, atomic, answer);
    }
    if (how === 'fcall') {
      const answer = this.#redis.call('FCALL', `sisyphus_${change}`, '0', user, channel, text);
      return this.#settle('fcall', own, text, atomic, answer);
    }
    // The answer to the first command comes before the second's.
    let changed = true;
    this.#redis.call(change === 'grant' ? 'SADD' : 'SREM', `user:${user}:channels`, channel).catch((error: Error) => {
      changed = error instanceof AnswerLost;
    });
    return this.#publish(how === 'application' ? 'plain' : 'fcall', own, text, () => (changed ? note : undefined));
  }
}

function read(way: Way, reply: Reply): Settled {
  if (way === 'plain') return { outcome: 'acknowledged', receivers: Number(reply) };
  return { outcome: 'acknowledged', id: Number(Array.isArray(reply) ? reply[0] : reply) };
}

function readFailure(error: unknown): Settled {
  const outcome: Outcome = error instanceof RedisRefusal ? 'refused' : 'unknown';
  return { outcome, problem: error instanceof Error ? error.message : String(error) };
}
