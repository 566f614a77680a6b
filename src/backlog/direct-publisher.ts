import type { Publication, Published } from './backlog.ts';

/** Publishes in the ways of an application that talks to Redis itself, so that they can be tried from a page. */
export interface DirectPublisher {
  /** How a person reaches the same Redis, such as `redis-cli -p 6379`. It holds no password. */
  readonly command: string;
  /** The key that is declared with every call of a function. */
  readonly key: string;
  /**
   * A plain PUBLISH.
   * @returns how many clients of Redis have received it: gateways that record, and whoever else listens
   */
  publish(channel: string, data: Buffer): Promise<number>;
  /** `FCALL sisyphus_publish`. */
  callFunction(publication: Publication): Promise<Published>;
}
