import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisServer } from './redis.ts';

/**
 * The folder of a Redis that can be put back to what it was: as after a loss of power, where the last second was not on the disk
 * yet. The Redis writes to its AOF always, so that what is kept is all there was.
 */
export class Disk {
  readonly #redis: RedisServer;
  readonly #copy: string;

  static async of(redis: RedisServer): Promise<Disk> {
    return new Disk(redis, await mkdtemp(join(tmpdir(), 'sisyphus-disk-')));
  }

  private constructor(redis: RedisServer, copy: string) {
    this.#redis = redis;
    this.#copy = copy;
  }

  async keep(): Promise<void> {
    await rm(this.#copy, { recursive: true });
    await cp(await this.#folder(), this.#copy, { recursive: true });
  }

  /** Everything since `keep` is lost. */
  async putBack(): Promise<void> {
    const folder = await this.#folder();
    this.#redis.kill('SIGKILL');
    await cp(this.#copy, folder, { recursive: true, force: true });
    await this.#redis.restart();
  }

  async remove(): Promise<void> {
    await rm(this.#copy, { recursive: true });
  }

  async #folder(): Promise<string> {
    const client = this.#redis.client();
    const [, folder] = (await client.config('GET', 'dir')) as [string, string];
    client.disconnect();
    return folder;
  }
}
