import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { RedisOptions } from 'ioredis';
import type { RedisTls } from '../../config/redis-certificates.ts';
import { parseRedisUrl } from '../../config/redis-url.ts';
import { type RedisTarget, tlsOf, urlOf } from './target.ts';

/** What the driver has to know of an address: where it leads, as whom, and the certificates. */
export function optionsOf(target: RedisTarget): RedisOptions {
  const address = parseRedisUrl(urlOf(target));
  const { username, password, database } = address;
  const options = { ...(username && { username }), ...(password && { password }), db: database };
  switch (address.kind) {
    case 'socket':
      return { path: address.path, ...options };
    case 'sentinel':
      // The driver takes the host that Sentinel names as the server name, and verifies the certificate for it.
      return {
        ...{ name: address.name, sentinels: address.sentinels, ...options },
        ...(address.tls && {
          enableTLSForSentinelMode: true,
          tls: safe(tlsOf(target)),
          sentinelTLS: safe(tlsOf(target)),
        }),
      };
    case 'host': {
      const { host, port, tls } = address;
      // An IP address must not be sent as a server name: RFC 6066, section 3.
      const name = isIP(host) ? {} : { servername: host };
      return { host, port, ...(tls && { tls: { ...safe(tlsOf(target)), ...name } }), ...options };
    }
  }
}

/** Nothing is sent to a server whose certificate cannot be verified, even if NODE_TLS_REJECT_UNAUTHORIZED=0 allows it. */
export function safe({ ca, cert, key }: RedisTls): ConnectionOptions {
  return { rejectUnauthorized: true, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}
