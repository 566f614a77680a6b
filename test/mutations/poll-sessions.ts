import type { Mutation } from './mutations.ts';

const SUITE = { caughtBy: 'integration/poll-sessions' };

/** Mistakes in poll sessions. */
export const POLL_SESSION_MUTATIONS: Mutation[] = [
  {
    name: 'a poll that waits is not told of a message',
    file: 'src/store/redis/lua/functions/poll-send.lua',
    find: 'local clock = session.at and polls.prepare_wake(session.at)',
    replace: 'local clock = nil',
    ...SUITE,
    only: 'in order',
  },
  {
    name: 'an older poll is not told of a newer one',
    file: 'src/store/redis/lua/functions/poll-claim.lua',
    find: 'local other = session.poll ~= poll and session.at or nil',
    replace: 'local other = nil',
    ...SUITE,
    only: 'the newest wins',
  },
  {
    name: 'a poll whose client has gone goes on waiting',
    file: 'src/http/routes/sock-it.ts',
    find: 'leaving.onLeft = () => poll.close();',
    replace: '',
    ...SUITE,
    only: 'because its client had gone',
  },
  {
    name: 'a queue has no bound',
    file: 'src/store/redis/lua/functions/poll-send.lua',
    find: "'MAXLEN', polls.MOST",
    replace: "'MAXLEN', 10 * polls.MOST",
    ...SUITE,
    only: 'drops the oldest',
  },
  {
    name: 'a batch has no bound',
    file: 'src/store/redis/lua/functions/poll-claim.lua',
    find: 'if i > 1 and bytes > polls.BYTES then',
    replace: 'if i > 2 and bytes > polls.BYTES then',
    ...SUITE,
    only: 'in several batches',
  },
  {
    name: 'what a browser sends does not keep its session',
    file: 'src/store/redis/lua/functions/poll-receive.lua',
    find: '    polls.touch(record, queue)\n',
    replace: '',
    ...SUITE,
    only: 'every request counts',
  },
  {
    name: 'a queue outlives its session',
    file: 'src/store/redis/lua/functions/poll-send.lua',
    find: "  redis.call('PEXPIRE', queue, math.max(1, redis.call('PTTL', record)))\n",
    replace: '',
    ...SUITE,
    only: 'every request counts',
  },
  {
    name: 'pages of other sites may write to a session',
    file: 'src/http/middleware/same-site.ts',
    find: "isForPages(ctx.path) && ctx.state.cors?.['Access-Control-Allow-Origin'] !== undefined",
    replace: 'isForPages(ctx.path)',
    ...SUITE,
    only: 'other sites',
  },
  {
    name: 'polls wait on while their gateway is stopped',
    file: 'src/gateway.ts',
    find: '    context.polls?.close();\n',
    replace: '',
    ...SUITE,
    only: 'elsewhere',
  },
];
