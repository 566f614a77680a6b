export interface Mutation {
  /** What is wrong, as somebody could make it. */
  mistake: string;
  file: string;
  find: string;
  replace: string;
  /** The scenario that finds it. */
  scenario: string;
}

const RECORDER = 'src/recorder/recorder.ts';
const READING = 'src/reading/reading.ts';
const CLIENT = 'src/reading/client.ts';
const HUB = 'src/hub/hub.ts';
const CATCH_UP = 'src/hub/catch-up.ts';

/** Mistakes in what keeps messages from being lost or doubled, each with the scenario that finds it. */
export const MUTATIONS: Mutation[] = [
  {
    mistake: 'a healed connection reads nothing from the backlogs (the negative control)',
    file: CATCH_UP,
    find: 'if (isAfter(head, heard)) return { subscription, after: heard, head, fork, isLast: heard !== BEGINNING };',
    replace: 'if (isAfter(head, heard)) { subscription.restart(head); return undefined; }',
    scenario: 'storm',
  },
  {
    mistake: 'a lost connection is not made up for, nor its channels subscribed again',
    file: HUB,
    find: 'void this.#healing.reconnect([...this.#subscriptions.keys()]);',
    replace: 'this.#link.healed();\n    this.#opened();',
    scenario: 'killed-connections',
  },
  {
    mistake: 'a new recorder begins with an empty queue',
    file: RECORDER,
    find: "    this.#period.forget(place);\n    this.#period.state = 'elected';",
    replace: "    this.#period.queue = [];\n    this.#period.state = 'elected';",
    scenario: 'recorders-in-turn',
  },
  {
    mistake: 'a standby keeps nothing of what it hears',
    file: RECORDER,
    find: "    if (period.state === 'leading') this.#record();\n    // Once",
    replace: "    if (period.state === 'leading') this.#record();\n    else period.queue = [];\n    // Once",
    scenario: 'recorders-in-turn',
  },
  {
    mistake: 'what could not be recorded at once is forgotten',
    file: 'src/recorder/recording.ts',
    find: '        onFailure(error);',
    replace: '        onFailure(error);\n        period.forget(period.nextBatch().at(-1)!);',
    scenario: 'out-of-memory',
  },
  {
    mistake: 'a place is recorded as often as it is sent',
    file: 'src/store/redis/lua/functions/record.lua',
    find: '    local is_new = comes_after(id, number, recorder.id, recorder.number)',
    replace: '    local is_new = true',
    scenario: 'held-replies',
  },
  {
    mistake: 'a batch is recorded the wrong way round',
    file: 'src/recorder/listening-period.ts',
    find: '    return this.queue.slice(0, end < 0 ? this.queue.length : end);',
    replace: '    return this.queue.slice(0, end < 0 ? this.queue.length : end).reverse();',
    scenario: 'stopped-recorder',
  },
  {
    mistake: 'one message more than was recorded is taken off the queue',
    file: 'src/recorder/recording.ts',
    find: 'period.forgetFirst(batch.length);',
    replace: 'period.forgetFirst(batch.length + 1);',
    scenario: 'recorders-in-turn',
  },
  {
    mistake: 'a dead recorder keeps its lease for long',
    file: 'src/recorder/times.ts',
    find: '  lease: 900,',
    replace: '  lease: 30_000,',
    scenario: 'recorders-in-turn',
  },
  {
    mistake: 'only the owner of the lease may ask for it, dead or alive',
    file: 'src/store/redis/lua/recorder.lua',
    find: '  local free = expires < clock.now\n',
    replace: '  local free = not stored[3]\n',
    scenario: 'recorders-in-turn',
  },
  {
    mistake: 'whoever takes the lease is taken to have heard everything',
    file: 'src/store/redis/lua/functions/lease.lua',
    find: 'local covered = mine or ',
    replace: 'local covered = true or ',
    scenario: 'killed-subscribers',
  },
  {
    mistake: 'plain messages that went unheard are told to nobody',
    file: 'src/store/redis/lua/functions/lease.lua',
    find: "write_gap('unrecorded', recorder.id, next_id(clock))",
    replace: 'next_id(clock)',
    scenario: 'killed-subscribers',
  },
  {
    mistake: 'a gap that is known is told to nobody',
    file: CATCH_UP,
    find: '    if (mayHaveLost(gap, channel, recordsPlain(channel))) announce(subscription, gap.reason);',
    replace: '',
    scenario: 'killed-subscribers',
  },
  {
    mistake: 'ids are taken from the clock alone',
    file: 'src/store/redis/lua/clock.lua',
    find: '  clock.last = math.max(clock.last + 1, clock.now)',
    replace: '  clock.last = clock.now',
    scenario: 'clock-set-back',
  },
  {
    mistake: 'revisions have holes',
    file: 'src/store/redis/lua/append.lua',
    find: "redis.call('INCRBY', state.revision_key, 1)",
    replace: "redis.call('INCRBY', state.revision_key, 2)",
    scenario: 'calm',
  },
  {
    mistake: 'the last id of a channel is not kept',
    file: 'src/store/redis/lua/append.lua',
    find: "redis.call('INCRBY', state.last_id_key, digits(clock.last - state.last))",
    replace: '',
    scenario: 'killed-connections',
  },
  {
    mistake: 'backlogs are trimmed to a single message',
    file: 'src/store/redis/lua/append.lua',
    find: "'MAXLEN', state.length",
    replace: "'MAXLEN', 1",
    scenario: 'killed-gateways',
  },
  {
    mistake: 'a promoted replica is not noticed',
    file: 'src/store/redis/lua/clock.lua',
    find: '    if stored[3] ~= clock.replid then',
    replace: '    if stored[3] == nil then',
    scenario: 'lossy-failover',
  },
  {
    mistake: 'an Idempotency-Key is not looked at',
    file: 'src/store/redis/lua/once.lua',
    find: '  if is_ours and type(result)',
    replace: "  if known == '?' and type(result)",
    scenario: 'lost-answers',
  },
  {
    mistake: 'an Idempotency-Key is forgotten at once',
    file: 'src/store/redis/lua/once.lua',
    find: "'PX', ms)",
    replace: "'PX', 1)",
    scenario: 'lost-answers',
  },
  {
    mistake: 'functions that are gone stay gone',
    file: 'src/store/redis/functions.ts',
    find: '    if (!isMissing(error)) throw error;\n    await loadFunctions(redis, keys);',
    replace: '    if (!isMissing(error) || name.length > 0) throw error;\n    await loadFunctions(redis, keys);',
    scenario: 'functions-gone',
  },
  {
    mistake: 'one denied channel denies them all',
    file: 'src/store/redis/heard-channels.ts',
    find: '      if (!isAccessRefusal(error)) throw error;\n    }\n    const refused',
    replace: '      if (error) throw error;\n    }\n    const refused',
    scenario: 'denied-channel',
  },
  {
    mistake: 'the position that a reader brings is not looked at',
    file: READING,
    find: "    if (start.kind === 'now') this.#additions",
    replace: "    if (start.kind === 'now' || seam > 0) this.#additions",
    scenario: 'killed-gateways',
  },
  {
    mistake: 'a noop runs ahead of what was given',
    file: CLIENT,
    find: '    this.#connection.noop(this.#position);',
    replace: '    this.#connection.noop((this.#position + 2_000_000) as Position);',
    scenario: 'last-message-missed',
  },
  {
    mistake: 'the first frame carries a position that is still to come',
    file: CLIENT,
    find: "    this.#connection.open('ok', this.#position);",
    replace: "    this.#connection.open('ok', (this.#position + 2_000_000) as Position);",
    scenario: 'killed-gateways',
  },
  {
    mistake: 'where a change of rights stands among the messages is not looked at',
    file: CLIENT,
    find: '    if (!this.#channels.isQuiet && !this.#channels.allows(message)) return;\n',
    replace: '',
    scenario: 'calm',
  },
  {
    mistake: 'changes of rights are applied only when the list is read now and then',
    file: 'src/session/membership.ts',
    find: 'if (!this.hasList || !isAfter(now, this.timeline.version)) return false;',
    replace: 'if (isAfter(now, this.timeline.version)) return false;',
    scenario: 'calm',
  },
  {
    mistake: 'a stopping gateway sends everybody away at once',
    file: 'src/session/drain.ts',
    find: '    if (wait > 5) await new Promise((resolve) => setTimeout(resolve, wait));\n',
    replace: '',
    scenario: 'rolling-restart',
  },
  {
    mistake: 'a new life of the store is not told to anybody',
    file: CATCH_UP,
    find: "    for (const subscription of subscriptions.values()) announce(subscription, 'flushed');\n",
    replace: '',
    scenario: 'flushed',
  },
  {
    mistake: 'a connection that does not answer is kept',
    file: 'src/store/redis/marks.ts',
    find: '      suspect(redis, url, error);\n',
    replace: '',
    scenario: 'half-open',
  },
];
