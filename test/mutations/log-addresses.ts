import type { Mutation } from './mutations.ts';

/** Mistakes in the addresses that lines of the log have. */
export const LOG_ADDRESS_MUTATIONS: Mutation[] = [
  {
    name: 'the log has the address of a client whose operator wants none there',
    file: 'src/http/client-limits.ts',
    find: "const shown = logAddresses === 'on' ? network?.key : undefined;",
    replace: 'const shown = logAddresses === undefined ? undefined : network?.key;',
    caughtBy: 'integration/log-addresses',
    only: 'SISYPHUS_LOG_ADDRESSES=off',
  },
  {
    name: 'the log has the address of the proxy instead of that of the client',
    file: 'src/http/error-answers.ts',
    find: 'this.#limits.counted(from()).shown',
    replace: "'127.0.0.1'",
    caughtBy: 'integration/log-addresses',
    only: 'behind trusted proxies',
  },
  {
    name: 'the address of a client is in every line about its stream',
    file: 'src/session/session-registry.ts',
    find: 'OF_NETWORK.has(reason)',
    replace: 'OF_NETWORK.size > 0',
    caughtBy: 'unit/session-registry',
    only: 'names the address',
  },
];
