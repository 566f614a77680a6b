import type { Rights } from '../../backlog/backlog.ts';
import { placeOf } from '../../message/place.ts';
import type { Position } from '../../message/position.ts';
import type { Change, RightsChange } from '../../message/rights-change.ts';

/** How many changes of a user are kept. */
const MOST_CHANGES = 400;

interface UserRights {
  version: Position;
  channels: Map<string, Position>;
  changes: Change[];
}

/** The lists that are at `user:<id>:channels` in Redis: in memory, only grants and revocations change them. */
export class MemoryRights {
  readonly #users = new Map<string, UserRights>();
  readonly #born: Position;

  /** `born` is the version of a list that has never changed. */
  constructor(born: Position) {
    this.#born = born;
  }

  /** `undefined` if `known` still is the version. */
  read(user: string, known: Position | undefined): Rights | undefined {
    const { version, channels, changes } = this.#of(user);
    if (version === known) return undefined;
    return { version, channels: new Map(channels), changes: [...changes], unsettled: false, problem: undefined };
  }

  /** The RightsChange of a message that does not change the list. */
  unchanged(user: string): RightsChange {
    const { version } = this.#of(user);
    return { before: version, now: version, changes: [] };
  }

  /** `id`: that of the message that announces the grant; the right covers the messages after it. */
  grant(user: string, channel: string, id: Position): RightsChange {
    const rights = this.#of(user);
    if (rights.channels.has(channel)) return this.unchanged(user);
    rights.channels.set(channel, id);
    return this.#change(user, rights, { channel, kind: 'granted', place: placeOf(id) });
  }

  revoke(user: string, channel: string, id: Position): RightsChange {
    const rights = this.#of(user);
    if (!rights.channels.delete(channel)) return this.unchanged(user);
    return this.#change(user, rights, { channel, kind: 'revoked', place: placeOf(id) });
  }

  #change(user: string, rights: UserRights, change: Change): RightsChange {
    const before = rights.version;
    rights.version = change.place.id;
    rights.changes.push(change);
    if (rights.changes.length > MOST_CHANGES) rights.changes.shift();
    this.#users.set(user, rights);
    return { before, now: rights.version, changes: [change] };
  }

  #of(user: string): UserRights {
    return this.#users.get(user) ?? { version: this.#born, channels: new Map(), changes: [] };
  }
}
