import type { Rights } from '../../backlog/backlog.ts';
import type { RightsChange } from '../../message/message.ts';
import type { Position } from '../../message/position.ts';

interface UserRights {
  version: Position;
  channels: Map<string, Position>;
}

/** What stands in Redis at `user:<id>:channels`: here only grants and revocations change it. */
export class MemoryRights {
  readonly #users = new Map<string, UserRights>();
  readonly #born: Position;

  /** `born` is the version of a list that has never changed. */
  constructor(born: Position) {
    this.#born = born;
  }

  /** `undefined` where `known` still is the version. */
  read(user: string, known: Position | undefined): Rights | undefined {
    const { version, channels } = this.#of(user);
    if (version === known) return undefined;
    return { version, channels: new Map(channels), announced: new Map(), problem: undefined };
  }

  /** A message that leaves the list as it is. */
  unchanged(user: string): RightsChange {
    const { version } = this.#of(user);
    return { before: version, now: version, added: [], removed: [], atomic: false };
  }

  /** `id` is that of the message which tells the user: what is published after it counts. */
  grant(user: string, channel: string, id: Position): RightsChange {
    const rights = this.#of(user);
    if (rights.channels.has(channel)) return { ...this.unchanged(user), atomic: true };
    this.#users.set(user, rights);
    rights.channels.set(channel, id);
    return { ...changeVersion(rights, id), added: [channel], removed: [], atomic: true };
  }

  revoke(user: string, channel: string, id: Position): RightsChange {
    const rights = this.#of(user);
    if (!rights.channels.delete(channel)) return { ...this.unchanged(user), atomic: true };
    return { ...changeVersion(rights, id), added: [], removed: [channel], atomic: true };
  }

  #of(user: string): UserRights {
    return this.#users.get(user) ?? { version: this.#born, channels: new Map() };
  }
}

function changeVersion(rights: UserRights, now: Position): { before: Position; now: Position } {
  const before = rights.version;
  rights.version = now;
  return { before, now };
}
