import type { Mutation } from './mutations.ts';

/** Mistakes in the commands that look at an installation. */
export const COMMAND_MUTATIONS: Mutation[] = [
  {
    name: 'a proxy that holds back everything is waited for',
    file: 'src/cli/watched-stream.ts',
    find: 'const timer = setTimeout(() => this.#leaving.abort(), most);',
    replace: 'const timer = setTimeout(() => undefined, most);',
    caughtBy: 'integration/doctor',
    only: 'holds frames back',
  },
  {
    name: 'what is denied has no line that mends it',
    file: 'src/store/redis/probe.ts',
    find: '        mend: `redis-cli ACL SETUSER ${user}',
    replace: '        mend: `redis-cli ACL GETUSER ${user}',
    caughtBy: 'integration/doctor',
    only: 'names each command',
  },
  {
    name: 'doctor ends well although something is bad',
    file: 'src/cli/doctor.ts',
    find: 'return isWell ? EXIT.ok : EXIT.failed;',
    replace: 'return isWell ? EXIT.ok : EXIT.ok;',
    caughtBy: 'integration/doctor',
    only: 'is not there',
  },
  {
    name: 'a stream that is cut while it is silent counts as well',
    file: 'src/cli/doctor-proxy.ts',
    find: "if (stream.hasEnded) return finding('bad'",
    replace: "if (stream.hasEnded) return finding('ok'",
    caughtBy: 'integration/doctor',
    only: 'idle time-out',
  },
  {
    name: 'other applications on the same Redis are overlooked',
    file: 'src/store/redis/figures.ts',
    find: 'prefix !== undefined && prefix !== topicPrefix',
    replace: 'prefix === topicPrefix',
    caughtBy: 'integration/doctor',
    only: 'who else is there',
  },
];
