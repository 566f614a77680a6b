import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';

/** What the kernel keeps of a connection until the other side has acknowledged it. */
interface Queue {
  local: string;
  remote: string;
  bytes: number;
}

interface Address {
  address?: string;
  port?: number;
}

/** The part of Node's own that asks the kernel; a socket's `remoteAddress` would keep what it has answered, 200 bytes a stream. */
interface AddressHandle {
  getpeername?(out: Address): number;
  getsockname?(out: Address): number;
}

/** `sl: local remote st tx_queue:rx_queue …`, of connections that are established (01) and have something in the first queue. */
const LINE = /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) 01 (?!00000000)([0-9A-F]{8}):/gm;

/**
 * How much was sent on each TCP connection of this machine and is not acknowledged, as the kernel says at one moment. Node has no
 * way to ask for one socket (SIOCOUTQ). The kernel needs 50 ms for a list of 17,000 connections, in another thread, and this one 17.
 */
export class KernelQueues {
  /** By the port of the other side. */
  readonly #queues = new Map<number, Queue[]>();

  constructor(tables: string[]) {
    for (const table of tables) {
      for (const [, local, localPort, remote, remotePort, bytes] of table.matchAll(LINE)) {
        const port = Number.parseInt(remotePort!, 16);
        const queue = { local: `${local}:${localPort}`, remote: remote!, bytes: Number.parseInt(bytes!, 16) };
        const others = this.#queues.get(port);
        if (others) others.push(queue);
        else this.#queues.set(port, [queue]);
      }
    }
  }

  /** `undefined` where the system does not tell: only Linux does. */
  static async read(): Promise<KernelQueues | undefined> {
    try {
      // Without IPv6 there is no second list.
      const six = readFile('/proc/net/tcp6', 'latin1').catch(() => '');
      return new KernelQueues([await readFile('/proc/net/tcp', 'latin1'), await six]);
    } catch {
      // Another system, or a sandbox.
      return undefined;
    }
  }

  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  /** Bytes that are not acknowledged. */
  of(socket: Socket): number {
    const { _handle: handle } = socket as unknown as { _handle?: AddressHandle | null };
    const remote: Address = {};
    if (!handle?.getpeername || !handle.getsockname || handle.getpeername(remote) !== 0) return 0;
    const candidates = this.#queues.get(remote.port ?? 0);
    if (!candidates) return 0;
    const own: Address = {};
    if (handle.getsockname(own) !== 0) return 0;
    const local = `${hexOf(own.address ?? '')}:${hex(own.port ?? 0, 4)}`;
    const address = hexOf(remote.address ?? '');
    return candidates.find((queue) => queue.local === local && queue.remote === address)?.bytes ?? 0;
  }
}

/** An address as the kernel writes it: words of 32 bits, each in the order of this machine. */
export function hexOf(address: string): string {
  const bytes = address.includes(':') ? bytesOfSix(address.replace(/%.*$/, '')) : address.split('.').map(Number);
  const words: string[] = [];
  for (let i = 0; i < bytes.length; i += 4) {
    const word = bytes.slice(i, i + 4);
    if (endianness() === 'LE') word.reverse();
    words.push(word.map((byte) => hex(byte, 2)).join(''));
  }
  return words.join('');
}

function bytesOfSix(address: string): number[] {
  // The last 32 bits may be written as an IPv4 address: `::ffff:127.0.0.1`.
  const four = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const [a = 0, b = 0, c = 0, d = 0] = four ? four.slice(1).map(Number) : [];
  const text = four
    ? address.slice(0, four.index) + [256 * a + b, 256 * c + d].map((n) => hex(n, 4)).join(':')
    : address;
  const [front = '', back] = text.split('::');
  const groups = (part: string | undefined): number[] =>
    (part ? part.split(':') : []).map((group) => Number.parseInt(group, 16));
  const first = groups(front);
  const last = groups(back);
  const all = back === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill(0), ...last];
  return all.flatMap((group) => [group >> 8, group & 255]);
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
