import type { Redis } from 'ioredis';

/** Tells whether anything is received from Redis, on any connection. Compares byte counts now and then: a message costs nothing more. */
export class Progress {
  readonly #connections: Redis[];
  readonly #read = new Map<Redis, { stream: unknown; bytes: number }>();

  constructor(connections: Redis[]) {
    this.#connections = connections;
  }

  /** Whether anything was received since the last call, on a connection that was ready then and still is. */
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

/** Bytes received on this connection. */
export function bytesRead({ stream }: Redis): number {
  return (stream as { bytesRead?: number } | undefined)?.bytesRead ?? 0;
}
