import { type RedisServer, startRedis } from '../../support/redis.ts';
import { eventually } from '../../support/wait.ts';
import { RedisLine } from '../processes/redis-line.ts';

/** A Redis and its replica, which change places. */
export class Pair {
  master: RedisServer;
  replica: RedisServer;

  static async start(args: string[] = []): Promise<Pair> {
    // A replica that asks again soon, and gets all it lacks without waiting for others to ask.
    const eager = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1', ...args];
    const pair = new Pair(await startRedis({ args: eager }), await startRedis({ args: eager }));
    await pair.follow();
    return pair;
  }

  private constructor(master: RedisServer, replica: RedisServer) {
    this.master = master;
    this.replica = replica;
  }

  /** Makes the replica a replica, and waits until it has everything. */
  async follow(): Promise<void> {
    await command(this.replica, 'REPLICAOF', '127.0.0.1', String(this.master.port));
    await this.linked();
  }

  /** Until the replica has what its master has. */
  async linked(): Promise<void> {
    await eventually(async () => (await infoOf(this.replica)).get('master_link_status') === 'up', 15_000, 20);
  }

  /** Until the replica has executed everything that the master has. */
  async level(): Promise<void> {
    await eventually(async () => {
      const [master, replica] = await Promise.all([infoOf(this.master), infoOf(this.replica)]);
      return master.get('master_repl_offset') === replica.get('slave_repl_offset');
    });
  }

  /** The replica hears nothing more of its master, and stays a replica: what comes now it will lack. */
  async cutOff(): Promise<void> {
    await command(this.replica, 'REPLICAOF', '127.0.0.1', '1');
  }

  /** The replica takes over from a master that is killed; who was master begins anew as its replica. */
  async promote(): Promise<void> {
    this.master.kill('SIGKILL');
    await command(this.replica, 'REPLICAOF', 'NO', 'ONE');
    [this.master, this.replica] = [this.replica, this.master];
  }

  async rejoin(): Promise<void> {
    await this.replica.restart();
    await this.follow();
  }
}

/** One command on a connection of its own. */
export async function command(server: { port: number }, ...words: string[]): Promise<unknown> {
  const line = new RedisLine(() => server.port);
  try {
    await eventually(() => line.isOpen);
    return await line.call(...words);
  } finally {
    line.end();
  }
}

async function infoOf(server: RedisServer): Promise<Map<string, string>> {
  const info = String(await command(server, 'INFO', 'replication'));
  return new Map(info.split('\r\n').map((line) => line.split(/:(.*)/s) as [string, string]));
}
