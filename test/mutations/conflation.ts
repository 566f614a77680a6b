import type { Mutation } from './mutations.ts';

/** Mistakes on channels whose messages replace each other. */
export const CONFLATION_MUTATIONS: Mutation[] = [
  {
    name: 'what was replaced is a gap',
    file: 'src/backlog/gap.ts',
    find: '  if (next && isConflated) return undefined;\n',
    replace: '',
    caughtBy: 'contract/redis-store',
    only: 'whose rule keeps one message',
  },
  {
    name: 'the newest message of a conflated channel may be gone without a gap',
    file: 'src/backlog/gap.ts',
    find: 'if (next && isConflated)',
    replace: 'if (isConflated)',
    caughtBy: 'contract/redis-store',
    only: 'because nothing replaces it',
  },
  {
    name: 'a rule that keeps one message makes the channels of users conflated',
    file: 'src/store/settings.ts',
    find: 'return userOfChannel(channel) === undefined ? rule.conflated : rule.kept;',
    replace: 'return rule.conflated;',
    caughtBy: 'contract/redis-store',
    only: 'on the channel of a user',
  },
];
