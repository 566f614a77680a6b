import { type AddressInfo, createServer } from 'node:net';
import type { Config } from '../config/config.ts';

type Address = Pick<Config, 'host' | 'port'>;

/** The message for each code of an error of `listen`: the problem, and what is expected instead. */
const PROBLEMS: Record<string, (address: Address) => string> = {
  EADDRINUSE: ({ host, port }) => `port ${port} on ${host} is taken: PORT or --port names another`,
  EACCES: ({ port }) => `port ${port} is not for everybody: one from 1024 on is`,
  EADDRNOTAVAIL: ({ host }) => `${host} is no address of this machine: HOST or --host names one`,
  EINVAL: ({ host }) => `${host} is no address to listen on; expected: one of this machine, such as 127.0.0.1 or ::1`,
  EAFNOSUPPORT: ({ host }) => `${host} needs IPv6, which this machine has not; expected: HOST=0.0.0.0 or 127.0.0.1`,
  ENOTFOUND: ({ host }) => `${host} is no host that is known here: HOST or --host names one`,
  EAI_AGAIN: ({ host }) => `${host} could not be looked up: no name server answers; expected: an address as HOST`,
};

/** The message for an error of `listen`; `undefined` if its code is not known here. */
export function addressProblem(error: unknown, address: Address): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? undefined : PROBLEMS[code]?.(address);
}

/** Listens for a moment on the address that `serve` would use. @returns the address, or the problem with it */
export async function tryAddress(wanted: Address): Promise<{ address?: string; problem?: string }> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: wanted.port, host: wanted.host }, resolve);
    });
    return { address: (server.address() as AddressInfo).address };
  } catch (error) {
    return { problem: addressProblem(error, wanted) ?? (error as Error).message };
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}
