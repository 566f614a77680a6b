import type { Redis } from 'ioredis';

/** Whether Redis says anything, to anybody here: looked at now and then, so that it costs nothing where messages are heard. */
export class Progress {
  readonly #connections: Redis[];
  readonly #read = new Map<Redis, { stream: unknown; bytes: number }>();

  constructor(connections: Redis[]) {
    this.#connections = connections;
  }

  /** Whether anything has come since the last call, on a connection that was in use then and is still. */
  look(): boolean {
    let isHeard = false;
    for (const redis of this.#connections) {
      const before = this.#read.get(redis);
      if (redis.status !== 'ready') {
        this.#read.delete(redis);
        continue;
      }
      const bytes = bytesRead(redis);
      if (before && before.stream === redis.stream && bytes > before.bytes) isHeard = true;
      this.#read.set(redis, { stream: redis.stream, bytes });
    }
    return isHeard;
  }
}

/** How much has come on this connection. */
export function bytesRead({ stream }: Redis): number {
  return (stream as { bytesRead?: number } | undefined)?.bytesRead ?? 0;
}
