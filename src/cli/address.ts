import { type AddressInfo, createServer } from 'node:net';
import type { Config } from '../config/config.ts';
import { httpAddress } from './gateway-address.ts';
import { askGateway } from './gateway-answer.ts';

/** How long a gateway may take to say that it is one (ms). */
const LOOK = 1000;

interface Address {
  host: string;
  port: number;
  /** The names of the two settings in messages. */
  names: { host: string; port: string };
}

type Wanted = Pick<Config, 'host' | 'port' | 'adminHost' | 'adminPort'>;

/** The message for each code of an error of `listen`: the problem, and what is expected instead. */
const PROBLEMS: Record<string, (address: Address) => string> = {
  EADDRINUSE: ({ host, port, names }) => `port ${port} on ${host} is taken: ${names.port} names another`,
  EACCES: ({ port }) => `port ${port} is not for everybody: one from 1024 on is`,
  EADDRNOTAVAIL: ({ host, names }) => `${host} is no address of this machine: ${names.host} names one`,
  EINVAL: ({ host }) => `${host} is no address to listen on; expected: one of this machine, such as 127.0.0.1 or ::1`,
  EAFNOSUPPORT: ({ host }) => `${host} needs IPv6, which this machine has not; expected: HOST=0.0.0.0 or 127.0.0.1`,
  ENOTFOUND: ({ host, names }) => `${host} is no host that is known here: ${names.host} names one`,
  EAI_AGAIN: ({ host }) => `${host} could not be looked up: no name server answers; expected: an address as HOST`,
};

/** The addresses that `serve` listens on: that of streams, and that of publishers and operators, if they have one of their own. */
function addressesOf({ host, port, adminHost, adminPort }: Wanted): Address[] {
  const first = { host, port, names: { host: 'HOST or --host', port: 'PORT or --port' } };
  if (adminPort === undefined) return [first];
  const names = { host: 'SISYPHUS_ADMIN_HOST', port: 'SISYPHUS_ADMIN_PORT' };
  return [first, { host: adminHost, port: adminPort, names }];
}

/** The message for an error of `listen`; `undefined` if its code is not known here. */
export function addressProblem(error: unknown, wanted: Wanted): string | undefined {
  const { port, address: host } = error as { port?: number; address?: string };
  const all = addressesOf(wanted);
  const address = all.find((one) => one.port === port && one.host === host) ?? all.find((one) => one.port === port);
  return problemOf(error, address ?? all[0]!);
}

function problemOf(error: unknown, address: Address): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? undefined : PROBLEMS[code]?.(address);
}

/**
 * Listens for a moment on each address that `serve` would use.
 * @returns the first one, or the problem with one; `notes`: addresses that a gateway has already
 */
export async function tryAddress(wanted: Wanted): Promise<{ address?: string; problem?: string; notes: string[] }> {
  const found: string[] = [];
  const notes: string[] = [];
  for (const address of addressesOf(wanted)) {
    try {
      found.push(await listenOn(address));
    } catch (error) {
      if (!(await isOfGateway(error, address)))
        return { problem: problemOf(error, address) ?? (error as Error).message, notes };
      found.push(address.host);
      notes.push(
        `port ${address.port} is that of a gateway that runs: expected it to be stopped before another one starts`,
      );
    }
  }
  return { address: found[0]!, notes };
}

/** Whether the address is taken, and by a gateway: whoever looks at a configuration before a restart should not be stopped by that. */
async function isOfGateway(error: unknown, { host, port }: Address): Promise<boolean> {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return false;
  const answer = await askGateway(`${httpAddress(host, port)}/healthz`, { patience: LOOK }).catch(() => undefined);
  return answer?.alive === true;
}

async function listenOn({ host, port }: Address): Promise<string> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host }, resolve);
    });
    return (server.address() as AddressInfo).address;
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}
