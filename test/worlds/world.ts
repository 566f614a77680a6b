import { setTimeout as pause } from 'node:timers/promises';
import { Random } from '../fault/random.ts';
import { eventually } from '../support/wait.ts';
import { Application, type Packet } from './application.ts';
import type { Annals } from './chronicle.ts';
import type { History } from './history.ts';
import { judge, type Verdict, type Violation } from './oracle.ts';
import type { Plan } from './plan.ts';
import type { Stage } from './stage.ts';
import { type Cast, tell } from './stories.ts';
import { WorldReader } from './world-reader.ts';

const STEPS = 25;
/** Readers of one world, at most. */
const READERS = 8;

export interface Played {
  history: History;
  verdict: Verdict;
}

/**
 * Two users, four rooms, some readers and an application, for a second or so: everything that happens is drawn, and all of
 * it is judged at the end.
 */
export class World {
  readonly name: string;
  readonly #stage: Stage;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #app: Application;
  readonly #annals: Annals;
  readonly #readers: WorldReader[] = [];
  readonly #stuck: Violation[] = [];
  readonly #last = new Set<string>();

  /** `name`: `w<digits>z`, so that its channels and users can be told from those of others. */
  constructor(name: string, seed: number, stage: Stage, plan: Plan) {
    this.name = name;
    this.#stage = stage;
    this.#plan = plan;
    this.#random = new Random(seed);
    this.#annals = stage.chronicle.begin(name);
    this.#app = new Application(name, plan, this.#random.fork('application'), stage.redis.port, stage.ports);
  }

  async play(): Promise<Played> {
    try {
      await eventually(() => this.#app.isConnected, 20_000);
      await this.#begin();
      for (let step = 0; step < STEPS; step++) await this.#step();
      await this.#app.settle();
      await this.#end();
    } finally {
      for (const reader of this.#readers) reader.leave();
      this.#app.close();
      this.#stage.chronicle.end(this.name);
    }
    const history = this.#history();
    const verdict = judge(history);
    verdict.violations.push(...this.#stuck);
    return { history, verdict };
  }

  async #begin(): Promise<void> {
    const packet: Packet = [];
    for (const user of this.#app.users) {
      for (const room of this.#app.rooms) if (this.#random.chance(0.5)) packet.push(this.#app.list(user, room, true));
    }
    await this.#app.send(packet);
    const [first = '', second = ''] = this.#app.users;
    for (const user of [first, second, first]) this.#enter(user);
    await this.#allOpen();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    if (this.#plan.stories.length > 0 && random.chance(0.15)) await tell(random.pick(this.#plan.stories), this.#cast());
    else this.#say();
    if (this.#plan.drops && random.chance(0.12)) {
      random.pick(this.#readers).drop(random.chance(0.3) ? 0 : random.integer(0, 250));
    }
    if (this.#plan.drops && random.chance(0.03)) this.#enter(random.pick(this.#app.users), this.#somePosition());
    if (random.chance(0.75)) await pause(random.between(0, 40));
    if (random.chance(0.03)) await pause(300);
  }

  /** Some messages and changes of rights, as they come, in one packet. */
  #say(): void {
    const [random, app] = [this.#random, this.#app];
    const packet: Packet = [];
    let hot: string | undefined;
    for (let i = random.integer(1, 4); i > 0; i--) {
      const what = random.next();
      if (what < 0.3 && this.#plan.changes.length > 0) {
        const user = random.pick(app.users);
        const granted = random.chance(0.5);
        hot = random.sample(app.roomsOf(user, !granted), 1)[0] ?? random.pick(app.rooms);
        packet.push(...app.change(user, hot, granted, random.pick(this.#plan.changes)));
      } else if (what < 0.4) packet.push(...app.say(`user:${random.pick(app.users)}`));
      else packet.push(...app.say(hot !== undefined && random.chance(0.6) ? hot : random.pick(app.rooms)));
    }
    if (packet.length > 0) void app.send(packet);
  }

  #cast(): Cast {
    return {
      app: this.#app,
      random: this.#random,
      plan: this.#plan,
      readers: this.#readers,
      enter: (user) => this.#enter(user),
    };
  }

  /** With a position from which to begin, or from now on. Where the house is full, somebody comes back instead. */
  #enter(user: string, since?: number): WorldReader {
    if (this.#readers.length >= READERS) {
      const mine = this.#random.pick(this.#readers.filter((reader) => reader.user === user));
      mine.drop(0);
      return mine;
    }
    const name = `reader ${this.#readers.length}`;
    const reader = new WorldReader(name, user, this.#stage, this.#random.fork(name));
    this.#readers.push(reader);
    reader.connect(since);
    return reader;
  }

  /** An id that was given out in this world, the beginning, or nothing. */
  #somePosition(): number | undefined {
    if (this.#plan.beginning && this.#random.chance(0.2)) return 0;
    const ids = [...this.#annals.publications.values()].flatMap(({ entries }) => entries.map(({ id }) => id));
    return ids.length === 0 ? undefined : this.#random.pick(ids);
  }

  /** Until each reader has everything: what was recorded last of all, too. */
  async #end(): Promise<void> {
    await this.#allOpen();
    await this.#stage.caughtUp();
    const patience = this.#stage.deeds.length > 0 ? 8000 : 3000;
    const unrecorded = (): string[] =>
      [...this.#annals.publications.values()].filter(({ entries }) => entries.length === 0).map(({ tag }) => tag);
    await eventually(() => unrecorded().length === 0, patience).catch(() => {
      const what = `${unrecorded().length} plain PUBLISHes were never recorded: ${unrecorded().slice(0, 5)}`;
      if (this.#stage.deeds.length === 0) this.#stuck.push({ kind: 'stuck', what, at: Date.now() });
    });
    await this.#allOpen();
    await Promise.all(this.#app.users.map((user) => this.#sayLast(user)));
    await this.#stage.caughtUp();
  }

  async #sayLast(user: string): Promise<void> {
    const readers = this.#readers.filter((reader) => reader.user === user);
    // A gateway's functions, or Redis itself, may be away for a moment; what was not recorded is said again.
    for (let tries = 0; tries < 4; tries++) {
      const text = this.#app.text();
      await this.#app.send(this.#app.say(`user:${user}`, 'fcall', text));
      const tag = text.split(/\s/)[0] ?? text;
      this.#last.add(tag);
      const all = (): boolean => readers.every((reader) => reader.hasRead(tag));
      if (
        await eventually(all, 5000).then(
          () => true,
          () => false,
        )
      )
        return;
    }
    const what = `readers of ${user} never got the last message`;
    this.#stuck.push({ kind: 'stuck', what, at: Date.now() });
  }

  async #allOpen(): Promise<void> {
    await eventually(() => this.#readers.every(({ isOpen }) => isOpen), 30_000).catch(() => {
      const away = this.#readers.filter(({ isOpen }) => !isOpen).map(({ name }) => name);
      this.#stuck.push({ kind: 'stuck', what: `${away} are not open after 30 s`, at: Date.now() });
    });
  }

  #history(): History {
    const { chronicle, monitor, deeds, given, waits } = this.#stage;
    return {
      world: this.name,
      publications: [...this.#annals.publications.values()],
      lists: this.#annals.lists,
      looks: this.#annals.looks,
      readers: this.#readers.map((reader) => reader.history()),
      times: monitor.times,
      ids: chronicle.ids,
      holes: chronicle.holes,
      given,
      last: this.#last,
      waited: (from, to) => waits.between(from, to),
      far: this.#plan.distance !== 'near',
      calm: deeds.length === 0,
    };
  }
}
