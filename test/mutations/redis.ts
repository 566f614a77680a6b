import type { Mutation } from './mutations.ts';

/** Mistakes with certificates for Redis, with its users, and with what it weakens. */
export const REDIS_MUTATIONS: Mutation[] = [
  {
    name: 'the environment of the process switches the verification of certificates off',
    file: 'src/store/redis/connection-options.ts',
    find: 'return { rejectUnauthorized: true, ',
    replace: 'return { ',
    caughtBy: 'redis/tls',
    only: 'sends nothing',
  },
  {
    name: 'a certificate is verified for no host',
    file: 'src/store/redis/connection-options.ts',
    find: 'rejectUnauthorized: true, ',
    replace: 'rejectUnauthorized: true, checkServerIdentity: () => undefined, ',
    caughtBy: 'redis/tls',
    only: 'another host',
  },
  {
    name: 'the CA of SISYPHUS_REDIS_CA is not used',
    file: 'src/store/redis/connection-options.ts',
    find: '...(ca && { ca }), ',
    replace: '',
    caughtBy: 'redis/tls',
    only: 'by address and by name',
  },
  {
    name: 'why no safe connection can be made is not said',
    file: 'src/store/redis/connection.ts',
    find: 'failure = (connecting.tls && toTlsError(error, tlsOf(target))) || error;',
    replace: 'failure = error;',
    caughtBy: 'integration/redis-tls',
    only: 'changes to a bad one',
  },
  {
    name: 'Sentinels are asked without TLS',
    file: 'src/store/redis/connection-options.ts',
    find: 'sentinelTLS: safe(tlsOf(target)),',
    replace: '',
    caughtBy: 'integration/redis-tls',
    only: 'by Sentinel',
  },
  {
    name: 'why no Sentinel can be reached is not looked for',
    file: 'src/store/redis/connection.ts',
    find: '      watch?.look();\n',
    replace: '',
    caughtBy: 'redis/tls',
    only: 'Sentinel',
  },
  {
    name: 'the command line does not know the certificates',
    file: 'src/cli/publisher.ts',
    find: "'SISYPHUS_REDIS_CA', 'SISYPHUS_REDIS_CERT', 'SISYPHUS_REDIS_KEY', ",
    replace: '',
    caughtBy: 'redis/certificates',
  },
  {
    name: 'certificates for a Redis without TLS are passed over',
    file: 'src/redis-certificates.ts',
    find: 'if (url === undefined || !isTls(url)) {',
    replace: 'if (url === undefined) {',
    caughtBy: 'redis/certificates',
  },
  {
    name: 'a key that belongs to another certificate is taken',
    file: 'src/redis-certificates.ts',
    find: '!belongTogether(cert, key)',
    replace: 'cert === key',
    caughtBy: 'redis/certificates',
  },
];
