import { parseEnvelope } from '../../src/message/envelope.ts';
import type { Command, Moment } from '../support/monitor.ts';
import type { ListChange, Look, Publication } from './history.ts';
import { AppList } from './lists.ts';

/** What Redis did in one world. */
export interface Annals {
  publications: Map<string, Publication>;
  lists: ListChange[];
  looks: Look[];
}

/** The word that tells one message from all others. */
const TAG = /\bT[\w.]+T\b/;
/** Channels and users carry the name of their world. */
const WORLD = /^(?:room|user):(w\d+x\d+z)/;
const LIST = /^user:(.+):channels$/;
const BACKLOG = /^sisyphus:\{[^}]*\}:channel:(.+):msg_backlog$/;
/** Commands that read all of a list. One that only asks for a single name does not tell what is on it. */
const READS = new Set(['ZDIFF', 'SDIFF', 'SMEMBERS', 'LRANGE', 'ZRANGE', 'SUNION', 'ZUNION', 'SSCAN', 'ZSCAN']);

export function tagOf(text: string): string | undefined {
  return TAG.exec(text)?.[0];
}

/** Writes down, from the commands that Redis executes, what concerns each world. */
export class Chronicle {
  /** The orders of all commands that gave out an id. */
  readonly ids: number[] = [];
  readonly #worlds = new Map<string, Annals>();
  readonly #lists = new Map<string, AppList>();
  /** Plain PUBLISHes, of all worlds and of others, that are not recorded yet: by tag, when they were made. */
  readonly #unrecorded = new Map<string, number>();
  readonly #marks = new Set<string>();

  begin(world: string): Annals {
    const annals: Annals = { publications: new Map(), lists: [], looks: [] };
    this.#worlds.set(world, annals);
    return annals;
  }

  end(world: string): void {
    this.#worlds.delete(world);
  }

  /** When plain PUBLISHes were made that nobody has recorded until now. */
  get holes(): number[] {
    return [...this.#unrecorded.values()];
  }

  /** Whether this ECHO has been executed: everything before it has been written down then. */
  hasHeard(mark: string): boolean {
    return this.#marks.delete(mark);
  }

  take(command: Command): void {
    const { name, args, inScript } = command;
    if (name === 'PUBLISH' && !inScript) this.#published(command, String(args[0]), String(args[1]));
    else if (name === 'XADD' && inScript) this.#recorded(command);
    else if (name === 'ECHO' && !inScript) this.#marks.add(String(args[0]));
    else this.#listed(command);
  }

  #published(moment: Moment, channel: string, text: string): void {
    const tag = tagOf(text);
    if (tag === undefined) return;
    this.#unrecorded.set(tag, moment.at);
    const publication = { tag, channel, text, plain: true, place: placeOf(moment), entries: [] };
    this.#annalsOf(channel)?.publications.set(tag, publication);
  }

  #recorded(command: Command): void {
    const channel = BACKLOG.exec(String(command.args[0]))?.[1];
    if (channel === undefined) return;
    this.ids.push(command.order);
    const { id, revision, payload } = parseEnvelope(channel, command.args.at(-1) ?? Buffer.alloc(0));
    const text = payload.toString();
    const tag = tagOf(text);
    if (tag === undefined) return;
    this.#unrecorded.delete(tag);
    const annals = this.#annalsOf(channel);
    if (!annals) return;
    const moment = placeOf(command);
    const known = annals.publications.get(tag);
    if (known) known.entries.push({ moment, id, revision, text });
    else {
      const entries = [{ moment, id, revision, text }];
      annals.publications.set(tag, { tag, channel, text, plain: false, place: moment, entries });
    }
  }

  #listed({ name, args, inScript, ...moment }: Command): void {
    const keys = args.map(String);
    const users = new Set(keys.flatMap((key) => LIST.exec(key)?.[1] ?? []));
    for (const user of users) {
      const annals = this.#annalsOf(`user:${user}`);
      if (!annals) continue;
      const key = `user:${user}:channels`;
      if (READS.has(name)) {
        annals.looks.push({ user, moment: placeOf(moment) });
        continue;
      }
      const list = this.#lists.get(key) ?? new AppList();
      this.#lists.set(key, list);
      // A list that takes another's name: the other is known by its own.
      const other = name === 'RENAME' ? this.#lists.get(keys[0] ?? '') : undefined;
      if (list.apply(name, key, keys, other)) {
        annals.lists.push({ user, moment: placeOf(moment), atomic: inScript, channels: list.names() });
      }
    }
  }

  #annalsOf(channel: string): Annals | undefined {
    const world = WORLD.exec(channel)?.[1];
    return world === undefined ? undefined : this.#worlds.get(world);
  }
}

function placeOf({ order, step, at }: Moment): Moment {
  return { order, step, at };
}
