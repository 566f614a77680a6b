import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Link } from '../support/relay.ts';
import type { Post, World } from './world.ts';

/** The gateways' connections, by the names they have in CLIENT LIST. */
export type ConnectionName = 'sisyphus:commands' | 'sisyphus:hub' | 'sisyphus:recorder';

export interface Connection {
  id: string;
  name: string;
  /** The client's side. */
  port: number;
}

/** What it takes of a world to find connections and cut them. */
type Surroundings = Pick<World, 'admin' | 'note' | 'redis'>;

/** What Redis says of the connections of all gateways. */
export async function listConnections(world: Pick<World, 'admin'>): Promise<Connection[]> {
  const list = String(await world.admin.call('CLIENT', 'LIST'));
  const connections = list.split('\n').map((line) => {
    const fields = new Map(line.split(' ').map((field) => field.split(/=(.*)/s) as [string, string]));
    return {
      id: fields.get('id') ?? '',
      name: fields.get('name') ?? '',
      port: Number(fields.get('addr')?.split(':').at(-1)),
    };
  });
  return connections.filter(({ name }) => name.startsWith('sisyphus:'));
}

/** Cuts the connections of this name, of one gateway or of all, in one moment. */
export async function killConnections(world: Surroundings, name: ConnectionName, post?: Post): Promise<void> {
  const named = (await listConnections(world)).filter((connection) => connection.name === name);
  const chosen = post ? await ownedBy(named, post, world.redis.port) : named;
  world.note(`cut ${name} of ${post ? `gateway ${post.port}` : 'all gateways'}: ${chosen.length} connections`);
  const kills: Promise<unknown>[] = [];
  world.admin.together(() => {
    // One that ended meanwhile is not there to be killed.
    for (const { id } of chosen) kills.push(world.admin.call('CLIENT', 'KILL', 'ID', id).catch(() => undefined));
  });
  await Promise.all(kills);
}

/** The links through a gateway's relay that carry the connection of this name. */
export async function linksOf(world: World, name: ConnectionName, post: Post): Promise<Link[]> {
  const ports = new Set((await listConnections(world)).filter((one) => one.name === name).map(({ port }) => port));
  return [...(post.relay?.links ?? [])].filter((link) => link.port !== undefined && ports.has(link.port));
}

async function ownedBy(connections: Connection[], { gateway, relay }: Post, redisPort: number): Promise<Connection[]> {
  if (relay) {
    const ports = new Set([...relay.links].map((link) => link.port));
    return connections.filter(({ port }) => ports.has(port));
  }
  const inodes = await socketInodes(gateway.pid);
  const byPort = await inodesByPort(redisPort);
  return connections.filter(({ port }) => inodes.has(byPort.get(port) ?? ''));
}

/** Of /proc/net/tcp: local port to inode, of connections to this port. */
async function inodesByPort(remotePort: number): Promise<Map<number, string>> {
  const lines = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n').slice(1);
  const inodes = new Map<number, string>();
  for (const line of lines) {
    const [, local = '', remote = '', , , , , , , inode = '0'] = line.trim().split(/\s+/);
    // Connections that are over linger without an inode.
    if (portOf(remote) === remotePort && inode !== '0') inodes.set(portOf(local), inode);
  }
  return inodes;
}

function portOf(address: string): number {
  return Number.parseInt(address.split(':')[1] ?? '0', 16);
}

async function socketInodes(pid: number): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const targets = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}
