export type ListType = 'set' | 'list' | 'zset';

/** The commands that put a channel on an application's list, and take it off. */
export function addTo(type: ListType, key: string, ...channels: string[]): string[] {
  if (type === 'set') return ['SADD', key, ...channels];
  if (type === 'list') return ['RPUSH', key, ...channels];
  return ['ZADD', key, ...channels.flatMap((channel) => ['1', channel])];
}

export function takeFrom(type: ListType, key: string, channel: string): string[] {
  if (type === 'set') return ['SREM', key, channel];
  if (type === 'list') return ['LREM', key, '0', channel];
  return ['ZREM', key, channel];
}

const ADDS: Record<string, ListType> = { SADD: 'set', RPUSH: 'list', LPUSH: 'list', ZADD: 'zset' };
const TAKES: Record<string, ListType> = { SREM: 'set', LREM: 'list', ZREM: 'zset' };

/** What a list holds, told from the commands that Redis executed: no question to Redis gets between them. */
export class AppList {
  #type: ListType | undefined;
  #names = new Set<string>();

  names(): string[] {
    return [...this.#names];
  }

  /** Executes a command on the list at `key`, as Redis did. Answers whether it changes lists at all. */
  apply(command: string, key: string, words: string[], other?: AppList): boolean {
    if (command === 'DEL' || command === 'UNLINK') this.#empty();
    else if (command === 'RENAME') this.#rename(words[1] === key, other);
    else if (ADDS[command]) this.#add(ADDS[command], words.slice(1));
    else if (TAKES[command]) this.#take(TAKES[command], words.slice(1));
    else return false;
    return true;
  }

  #add(type: ListType, words: string[]): void {
    if (this.#type !== undefined && this.#type !== type) return; // WRONGTYPE
    this.#type = type;
    // Channels have a colon, which scores and options have not.
    for (const word of words) if (word.includes(':')) this.#names.add(word);
  }

  /** A list may hold a name twice: applications here take all of them (LREM … 0), as the library does. */
  #take(type: ListType, words: string[]): void {
    if (this.#type !== type) return;
    for (const word of words) this.#names.delete(word);
    if (this.#names.size === 0) this.#type = undefined;
  }

  #rename(isTarget: boolean, other = new AppList()): void {
    if (!isTarget) return;
    this.#type = other.#type;
    this.#names = new Set(other.#names);
    other.#empty();
  }

  #empty(): void {
    this.#type = undefined;
    this.#names.clear();
  }
}
