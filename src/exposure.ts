import { existsSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import type { Config } from './config/config.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** A warning if any machine but this one can read as any user; else `undefined`. @param address that the gateway listens on */
export function exposureOf({ auth, host }: Pick<Config, 'auth' | 'host'>, address: string): string | undefined {
  if (auth !== 'open' || isLoopback(address)) return undefined;
  return (
    `SISYPHUS_AUTH=open trusts ?user=, and HOST=${host} can be reached from other machines: ` +
    'whoever reaches it can read as any user; expected: another SISYPHUS_AUTH, or HOST=127.0.0.1'
  );
}

/** The shortest secret that is as hard to guess as the HMAC is to break (bytes); RFC 7518, 3.2. */
const LONG_ENOUGH = 32;

/** A warning if the secret of tokens can be guessed: whoever has one token may try secrets on it for as long as they like. */
export function shortSecret({ auth, jwtSecret }: Pick<Config, 'auth' | 'jwtSecret'>): string | undefined {
  if (auth !== 'jwt' || jwtSecret === undefined || jwtSecret.length >= LONG_ENOUGH) return undefined;
  return `SISYPHUS_JWT_SECRET has ${jwtSecret.length} characters; expected ${LONG_ENOUGH} or more (RFC 7518, 3.2), or it can be guessed`;
}

/**
 * A warning for a gateway with real users and no Redis of its application, such as one whose REDIS_URL is written in another way. A demo,
 * the only one whose console is open, says by itself where its messages are.
 */
export function unshared({
  auth,
  redisUrl,
  console,
}: Pick<Config, 'auth' | 'redisUrl' | 'console'>): string | undefined {
  if (auth === 'open' || redisUrl !== undefined || console === 'open') return undefined;
  return 'there is no REDIS_URL: no application and no other gateway shares what is kept here, and it ends with this gateway; expected REDIS_URL';
}

/** Whether the process runs in a container: Docker, Podman and Kubernetes leave these marks. */
export function isContainer(env: Record<string, string | undefined>): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined || existsSync('/.dockerenv') || existsSync('/run/.containerenv');
}

/** A warning for the default HOST in a container: it is the loopback address, and each container has one of its own. */
export function unreachable({ host }: Pick<Config, 'host'>): string {
  return `HOST=${host}, the default, cannot be reached from outside of this container; expected: HOST=0.0.0.0`;
}

export function isLoopback(address: string): boolean {
  const version = isIP(address);
  // An IPv4 address that is written as IPv6 is compared as IPv4.
  return version !== 0 && LOOPBACK.check(address, version === 6 ? 'ipv6' : 'ipv4');
}
