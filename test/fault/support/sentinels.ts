import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from '../../support/child.ts';
import { SERVER } from '../../support/redis.ts';
import { eventually } from '../../support/wait.ts';
import { command } from './replication.ts';

const SERVICE = 'mymaster';

/** Three Sentinels that watch one master, and notice its death after a second. */
export class Sentinels {
  readonly #ports: number[];
  readonly #children: Child[];
  readonly #folder: string;

  static async start(masterPort: number): Promise<Sentinels> {
    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-sentinel-'));
    const ports: number[] = [];
    const children: Child[] = [];
    for (let i = 0; i < 3; i++) {
      const port = await freePort();
      const file = join(folder, `${port}.conf`);
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor ${SERVICE} 127.0.0.1 ${masterPort} 2`,
        `sentinel down-after-milliseconds ${SERVICE} 1000`,
        `sentinel failover-timeout ${SERVICE} 5000`,
      ];
      await writeFile(file, `${lines.join('\n')}\n`);
      ports.push(port);
      children.push(new Child(SERVER, [file, '--sentinel']));
    }
    const sentinels = new Sentinels(ports, children, folder);
    await sentinels.#know();
    return sentinels;
  }

  private constructor(ports: number[], children: Child[], folder: string) {
    this.#ports = ports;
    this.#children = children;
    this.#folder = folder;
  }

  get url(): string {
    return `redis+sentinel://${this.#ports.map((port) => `127.0.0.1:${port}`).join(',')}/${SERVICE}`;
  }

  async masterPort(): Promise<number> {
    const address = (await command(
      { port: this.#ports[0]! },
      'SENTINEL',
      'get-master-addr-by-name',
      SERVICE,
    )) as string[];
    return Number(address[1]);
  }

  /** Puts the replica in the place of a master that is well. */
  async failOver(): Promise<void> {
    await command({ port: this.#ports[0]! }, 'SENTINEL', 'FAILOVER', SERVICE);
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map(({ exited }) => exited));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Until each knows the replica and both others: before that no failover is possible. */
  async #know(): Promise<void> {
    for (const port of this.#ports) {
      await eventually(
        async () => {
          const replicas = (await command({ port }, 'SENTINEL', 'REPLICAS', SERVICE)) as unknown[];
          const others = (await command({ port }, 'SENTINEL', 'SENTINELS', SERVICE)) as unknown[];
          return replicas.length >= 1 && others.length >= 2;
        },
        20_000,
        100,
      );
    }
  }
}
