import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';

/** The send queue of a TCP connection: the bytes that the kernel keeps until the other side has acknowledged them. */
interface Queue {
  local: string;
  remote: string;
  bytes: number;
}

interface Address {
  address?: string;
  port?: number;
}

/** Node's internal socket handle. A socket's `remoteAddress` is not used, because Node caches the answer, 200 bytes a stream. */
interface AddressHandle {
  getpeername?(out: Address): number;
  getsockname?(out: Address): number;
}

/** A line `sl: local remote st tx_queue:rx_queue …` of an established connection (01) whose send queue is not empty. */
const LINE = /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) 01 (?!00000000)([0-9A-F]{8}):/gm;

/**
 * A snapshot of the unacknowledged bytes of all TCP connections of this machine. It lists all of them because Node has no way to ask
 * for one socket (SIOCOUTQ). For 17,000 connections the kernel needs 50 ms, in another thread, and parsing needs 17 ms in this one.
 */
export class KernelQueues {
  /** Keyed by the remote port. */
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

  /** Reads the tables of the kernel; `undefined` if the system has none: only Linux has them. */
  static async read(): Promise<KernelQueues | undefined> {
    try {
      // The file does not exist if the machine has no IPv6.
      const six = readFile('/proc/net/tcp6', 'latin1').catch(() => '');
      return new KernelQueues([await readFile('/proc/net/tcp', 'latin1'), await six]);
    } catch {
      // Not Linux, or a sandbox without /proc.
      return undefined;
    }
  }

  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  /** The unacknowledged bytes of the socket; 0 if it is closed or not in the snapshot. */
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

/** An address as the kernel writes it, in hexadecimal: words of 32 bits, each in the byte order of this machine. */
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
  // The last 32 bits of an IPv6 address may be written as an IPv4 address: `::ffff:127.0.0.1`.
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
