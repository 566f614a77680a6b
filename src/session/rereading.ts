import type { RightsReader } from '../backlog/backlog.ts';
import type { Hub } from '../hub/hub.ts';
import { isAfter } from '../message/position.ts';
import type { Session } from './session.ts';

/** The list of every session's user is read again this often (ms), some of them in each turn. */
const REREAD = 30_000;

export interface RereadingOptions {
  hub: Pick<Hub, 'refresh'>;
  backlog: RightsReader;
  /** All sessions that are open. */
  sessions: ReadonlySet<Session>;
}

/** Reads lists again of which a change may not have been heard. */
export class Rereading {
  readonly #options: RereadingOptions;
  /** The sessions whose lists are still to be read in this interval. */
  #left: Session[] = [];

  constructor(options: RereadingOptions) {
    this.#options = options;
  }

  /** Reads some of the lists. @param period how long ago the last turn was (ms) */
  async turn(period: number): Promise<void> {
    const { sessions } = this.#options;
    if (this.#left.length === 0) this.#left = [...sessions];
    const count = Math.ceil(((sessions.size * period) / REREAD) * (0.75 + Math.random() / 2));
    await this.#read(this.#left.splice(0, count));
  }

  /** Reads all of them, after a lost connection to Redis. */
  async all(): Promise<void> {
    await this.#read([...this.#options.sessions]);
  }

  /** Compares many lists in few round trips; a session whose list has a newer version than it knows reads the list again. */
  async #read(sessions: Session[]): Promise<void> {
    const { hub, backlog } = this.#options;
    const open = sessions.filter((session) => this.#options.sessions.has(session) && session.hasList);
    if (open.length === 0) return;
    const rights = await backlog.rights(open.map(({ user, version, size }) => ({ user: user!, known: version, size })));
    if (rights.every((changed, i) => !changed || changed.version === open[i]!.version)) return;
    // Receive all messages and notes up to these versions first: a session needs no refresh if one of them carries the change.
    await hub.refresh();
    for (const [i, changed] of rights.entries()) {
      if (changed && isAfter(changed.version, open[i]!.version)) open[i]!.refresh();
    }
  }
}
