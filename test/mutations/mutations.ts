export interface Mutation {
  name: string;
  file: string;
  find: string;
  replace: string;
  /** The test file, below test/, that must fail; and, where it is slow, the tests in it that are enough. */
  caughtBy: string;
  only?: string;
}

/** Mistakes that somebody could make, each with the test that finds it. `npm run mutations` tries them all. */
export const MUTATIONS: Mutation[] = [
  {
    name: 'ok is said before the subscription is acknowledged',
    file: 'src/hub/hub.ts',
    find: '    await Promise.all(begun);\n',
    replace: '    void Promise.all(begun);\n',
    caughtBy: 'integration/after-ok',
  },
  {
    name: 'the backlog is read before the channel is subscribed',
    file: 'src/session/membership.ts',
    find: '      await hub.follow(this.#reader, this.#channels);\n',
    replace: '      setTimeout(() => hub.follow(this.#reader, this.#channels).catch(() => undefined), 20);\n',
    caughtBy: 'integration/after-ok',
  },
  {
    name: 'published before it is appended',
    file: 'src/store/redis/lua/library.lua',
    find: "  local added = redis.pcall('XADD'",
    replace: "  say(clock, topic_of(channel), envelope)\n  local added = redis.pcall('XADD'",
    caughtBy: 'integration/failing',
    only: 'wrong type',
  },
  {
    name: 'no hold while the record of a plain PUBLISH to the user is awaited',
    file: 'src/session/session.ts',
    find: 'if (membership.isExpecting && !this.#stale) return;',
    replace: '',
    caughtBy: 'integration/rights',
    only: 'plain revocation, then a fcall message',
  },
  {
    name: 'a reset moves the position',
    file: 'src/session/session.ts',
    find: 'last ? seam : position',
    replace: 'seam',
    caughtBy: 'integration/resets',
  },
  {
    name: 'ok moves the position past what is to be replayed',
    file: 'src/session/session.ts',
    find: '      this.#position = start.position;\n      this.#openConnection();',
    replace: '      this.#position = seam;\n      this.#openConnection();\n      this.#position = start.position;',
    caughtBy: 'conformance/drops',
  },
  {
    name: 'what is in the backlog and was heard meanwhile is given twice',
    file: 'src/session/session.ts',
    find: '    if (!isAfter(message.id, this.#position)) return;\n',
    replace: '',
    caughtBy: 'integration/after-ok',
  },
  {
    name: 'heads are not compared after a lost connection',
    file: 'src/hub/catch-up.ts',
    find: '  if (isAfter(head, heard)) return { subscription, after: heard, head, fork };\n',
    replace: '',
    caughtBy: 'integration/failing',
    only: 'subscriber connection cut|last message before silence',
  },
  {
    name: 'before and after are judged by ids alone',
    file: 'src/message/message.ts',
    find: 'if (message.after === undefined) return message.id > (mark.after ?? mark.id);',
    replace: 'if (message.after === undefined) return message.id > mark.id;',
    caughtBy: 'integration/rights',
  },
  {
    name: 'a change is laid to the message that was recorded first',
    file: 'src/session/membership.ts',
    find: 'if (wasPublishedAfter(cause, message)) cause = message;',
    replace: '',
    caughtBy: 'integration/rights',
  },
  {
    name: 'a plain message recorded behind a grant or a revocation is not judged',
    file: 'src/session/cuts.ts',
    find: "    if (last) return last.kind === 'granted';",
    replace: '    return true;',
    caughtBy: 'integration/rights',
  },
  {
    name: 'a revoked channel is left at once, with what is still owed of it',
    file: 'src/session/membership.ts',
    find: "    if (kind === 'revoked') this.#channels = this.#channels.filter((other) => other !== channel);",
    replace: "    if (kind === 'revoked') this.#lose([channel]);",
    caughtBy: 'integration/rights',
  },
  {
    name: 'a channel granted meanwhile is replayed from the position',
    file: 'src/session/membership.ts',
    find: '        return { channels, announced: rights?.announced ?? new Map() };',
    replace:
      '        return { channels: new Map([...channels.keys()].map((name) => [name, BEGINNING])), announced: new Map() };',
    caughtBy: 'integration/rights',
    only: 'granted while the reader was away',
  },
  {
    name: 'lists are never read again',
    file: 'src/session/session-registry.ts',
    find: '    if (open.length === 0) return;',
    replace: '    if (open.length >= 0) return;',
    caughtBy: 'integration/rights',
    only: 'without a message',
  },
  {
    name: 'memory replays more than the retention keeps',
    file: 'src/hub/subscription.ts',
    find: 'Math.min(REMEMBERED_MESSAGES, this.#retention.length)',
    replace: 'REMEMBERED_MESSAGES',
    caughtBy: 'integration/resets',
  },
  {
    name: 'a gap in the backlog is silent',
    file: 'src/session/replay.ts',
    find: 'if (gap && !resets.some',
    replace: 'if (gap && resets.length < 0 && !resets.some',
    caughtBy: 'integration/resets',
  },
  {
    name: 'a gap is announced whenever the backlog is read',
    file: 'src/session/replay.ts',
    find: 'if (gap && !resets.some((reset) => reset.channel === channel)) resets.push({ channel, reason: gap });',
    replace: "resets.push({ channel, reason: gap ?? 'trimmed' });",
    caughtBy: 'integration/resets',
  },
  {
    name: 'a flushed store is taken for the old one',
    file: 'src/hub/catch-up.ts',
    find: '    const flushed = hub.born !== BEGINNING;',
    replace: '    const flushed = hub.born === mark.position;',
    caughtBy: 'integration/resets',
    only: 'FLUSHALL',
  },
  {
    name: 'no bound on what a reader leaves unsent',
    file: 'src/connection/event-stream.ts',
    find: 'if (unsent > 0 && unsent + frame.length',
    replace: 'if (unsent < 0 && unsent + frame.length',
    caughtBy: 'conformance/stalled-reader',
  },
  {
    name: 'one denied channel fails the whole SUBSCRIBE',
    file: 'src/store/redis/redis-source.ts',
    find: "      if (!(error as Error).message.startsWith('NOPERM')) throw error;\n    }",
    replace: '      throw error;\n    }',
    caughtBy: 'integration/failing',
    only: 'denied channel',
  },
  {
    name: 'the id comes first in a message',
    file: 'src/connection/encode.ts',
    find: "const head = message.event === undefined ? 'data: ' : `event: ${message.event}\\ndata: `;",
    replace:
      "const head = `id: ${message.id}\\n${message.event === undefined ? 'data: ' : `event: ${message.event}\\ndata: `}`;",
    caughtBy: 'conformance/drops',
  },
  {
    name: 'a lone CR is not a line end',
    file: 'src/connection/encode.ts',
    find: 'const LINE_END = /\\r\\n|\\r|\\n/g;',
    replace: 'const LINE_END = /\\r\\n|\\n/g;',
    caughtBy: 'conformance/payloads',
  },
  {
    name: 'the first of two users counts',
    file: 'src/http/identify.ts',
    find: 'if (users.length > 1)',
    replace: 'if (users.length > 2)',
    caughtBy: 'conformance/first-frame',
  },
  {
    name: 'over capacity is a status of its own',
    file: 'src/connection/event-stream.ts',
    find: '    if (this.closed || !this.#head) return;\n',
    replace:
      "    if (this.closed || !this.#head) return;\n    if (status !== 'ok') this.#head = Buffer.from(String(this.#head).replace('200 OK', '503 Service Unavailable'));\n",
    caughtBy: 'conformance/first-frame',
  },
  {
    name: 'proxies are not told to pass frames on at once',
    file: 'src/http/stream-head.ts',
    find: "  'X-Accel-Buffering': 'no',\n",
    replace: '',
    caughtBy: 'conformance/proxies',
  },
  {
    name: 'channels that nobody reads stay subscribed',
    file: 'src/hub/hub.ts',
    find: 'if (idle.length > 0 && this.#state',
    replace: 'if (idle.length < 0 && this.#state',
    caughtBy: 'conformance/churn',
  },
  {
    name: 'a reader that left while it opened stays among the readers',
    file: 'src/session/membership.ts',
    find: 'if (this.#left) return { channels, announced: new Map() };',
    replace: '',
    caughtBy: 'conformance/churn',
  },
  {
    name: 'a stopped gateway ends its streams without a retry of their own',
    file: 'src/connection/event-stream.ts',
    find: "if (reason === 'shutdown') return encodeGoodbye(position, this.#retry('ok'), this.#format);",
    replace: "if (reason === 'shutdown') return encodeGoodbye(position, 4000, this.#format);",
    caughtBy: 'integration/failing',
    only: 'SIGTERM',
  },
  {
    name: 'the error at connect forgets the position that the client brought',
    file: 'src/session/session.ts',
    find: "if (start.kind === 'after') this.#position = start.position;",
    replace: '',
    caughtBy: 'integration/failing',
    only: 'keeps the position',
  },
];
