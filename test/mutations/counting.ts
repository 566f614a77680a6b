import type { Mutation } from './mutations.ts';

const RECORDER = { file: 'src/recorder/recorder.ts', caughtBy: 'unit/recorder' };
const SESSION = { file: 'src/session/session.ts', caughtBy: 'unit/session' };
const HEALED = { caughtBy: 'unit/hub', only: 'counts as healed' };
const COUNTERS = { file: 'src/counters.ts', caughtBy: 'unit/counters' };

/** Mistakes that make figures lie. */
export const COUNTING_MUTATIONS: Mutation[] = [
  {
    name: 'a recorder that is fenced off once is counted twice',
    ...RECORDER,
    file: 'src/recorder/recording.ts',
    find: 'if (isDue(period)) onFenced();',
    replace: 'onFenced();',
    only: 'fenced off once',
  },
  {
    name: 'what was recorded before its answer was lost is never counted',
    ...RECORDER,
    file: 'src/recorder/recording.ts',
    find: 'isAgain ? recorded + skipped : recorded',
    replace: 'recorded',
    only: 'answer was lost',
  },
  {
    name: 'what was heard while another channel was healed is counted as healed',
    file: 'src/hub/healing.ts',
    find: 'if (!wasHeard) this.',
    replace: 'this.',
    ...HEALED,
  },
  {
    name: 'what was heard while its own channel was healed is counted as healed',
    file: 'src/hub/give-missed.ts',
    find: 'missed.delete(message.id)',
    replace: 'missed.has(message.id)',
    ...HEALED,
  },
  {
    name: 'a forged message that was given is not counted as unconfirmed',
    file: 'src/hub/catch-up.ts',
    find: '    counters.messageUnconfirmed();\n',
    replace: '',
    caughtBy: 'unit/hub',
    only: 'lets go of a head',
  },
  {
    name: 'what goes on without being said is forgotten when it is news again',
    file: 'src/repeats.ts',
    find: 'return (said?.times ?? 0) + 1;',
    replace: 'return isNews ? 1 : (said?.times ?? 0) + 1;',
    caughtBy: 'unit/repeats',
  },
  {
    name: 'resets are counted that nobody was told',
    ...SESSION,
    file: 'src/reading/client.ts',
    find: 'if (!this.hasLeft) this.#counters',
    replace: 'this.#counters',
    only: 'because it had left',
  },
  {
    name: 'a stream opens whose reader was turned away',
    ...SESSION,
    file: 'src/reading/client.ts',
    find: '    if (this.hasLeft) return;\n    this.#isOpened = true;\n',
    replace: '    this.#isOpened = true;\n',
    only: 'turned away meanwhile',
  },
  {
    name: 'a mistake of the gateway is counted as one of Redis',
    ...SESSION,
    file: 'src/reading/reading.ts',
    find: "isExpected(error) ? 'redis' : 'internal'",
    replace: "'redis'",
    only: 'a mistake, and not of Redis',
  },
  {
    name: 'a stream that was refused is counted as closed',
    file: 'src/session/session-registry.ts',
    find: 'session.opened ? undefined : REFUSAL_OF[reason]',
    replace: 'undefined',
    caughtBy: 'unit/session-registry',
    only: 'counts each stream once',
  },
  {
    name: 'streams that Redis has ended are not told of',
    file: 'src/session/outage.ts',
    find: 'ended: closed.redis ?? 0',
    replace: 'ended: 0',
    caughtBy: 'unit/outage',
  },
  {
    name: 'of several processes the last one counts',
    ...COUNTERS,
    find: '((total[name] as number | undefined) ?? 0) + figure',
    replace: 'figure',
  },
  {
    name: 'a snapshot goes on counting',
    ...COUNTERS,
    find: 'return sum([this.#counts]);',
    replace: 'return this.#counts;',
  },
  {
    name: 'connections that are dropped are not counted',
    file: 'src/http/file-limit.ts',
    find: '    counters.connectionDropped();\n',
    replace: '',
    caughtBy: 'unit/descriptors',
  },
];
