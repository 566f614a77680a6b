import type { Mutation } from './mutations.ts';

const RT = { caughtBy: 'unit/client-rt' };
const SOCK = { caughtBy: 'unit/client-sock' };

/** Mistakes in the clients of the two old protocols. */
export const OLD_PROTOCOL_MUTATIONS: Mutation[] = [
  {
    name: 'an answer makes a page wait for a day',
    file: 'src/client/request-loop.ts',
    find: 'Math.min(after, LONGEST_AFTER)',
    replace: 'after',
    ...RT,
  },
  {
    name: 'the answer of a request that was given up is taken',
    file: 'src/client/request-loop.ts',
    find: '    if (signal.aborted) return undefined;\n    if (response.status',
    replace: '    if (response.status',
    ...RT,
  },
  {
    name: 'a request that is not answered is waited for without end',
    file: 'src/client/request-loop.ts',
    find: 'if (now > this.#until) {',
    replace: 'if (now < 0) {',
    ...RT,
  },
  {
    name: 'what answers by itself is asked without end',
    file: 'src/client/request-loop.ts',
    find: '? 0 : LOOK;',
    replace: '? 0 : 0;',
    ...RT,
  },
  {
    name: 'a client never comes back if its credential has ended',
    file: 'src/client/request-loop.ts',
    find: '(status !== 401 || this.#refusals > 1)',
    replace: 'true',
    ...RT,
  },
  {
    name: 'a refused client asks for ever',
    file: 'src/client/request-loop.ts',
    find: 'if (isFinal) this.stop();',
    replace: '',
    ...RT,
  },
  {
    name: 'a page asks anew for what it has',
    file: 'src/client/rt.ts',
    find: 'channel.asked = last?.id ?? channel.asked;',
    replace: '',
    ...RT,
  },
  {
    name: 'what waits behind a pause overtakes what is older',
    file: 'src/client/rt.ts',
    find: 'this.#queue = this.#queue.filter((event) => event.channel !== channel);',
    replace: '',
    ...RT,
  },
  {
    name: 'a second listener makes the first one told twice',
    file: 'src/client/rt.ts',
    find: "if (event.type === 'message' && event.revision <= revision) continue;",
    replace: '',
    ...RT,
  },
  {
    name: 'a channel that is denied is asked for at once',
    file: 'src/client/rt.ts',
    find: 'if (isDenied) continue;',
    replace: '',
    ...RT,
  },
  {
    name: 'nearest channels are followed while the user scrolls',
    file: 'src/client/nearest.ts',
    find: '    clearTimeout(timer);\n    timer = setTimeout',
    replace: '    timer = setTimeout',
    ...RT,
  },
  {
    name: 'a channel that comes near again begins anew',
    file: 'src/client/nearest.ts',
    find: 'left.set(channel, rt.revision(channel));',
    replace: '',
    ...RT,
  },
  {
    name: 'a batch that comes again is told again',
    file: 'src/client/sock.ts',
    find: 'if (number <= this.#got) return true;',
    replace: '',
    ...SOCK,
  },
  {
    name: 'what is sent again has another number',
    file: 'src/client/outbox.ts',
    find: '++this.#batches, body',
    replace: 'Math.random(), body',
    ...SOCK,
  },
  {
    name: 'what is on the way is sent again with more',
    file: 'src/client/outbox.ts',
    find: 'if (this.isEmpty || this.#batch) return this.#batch;',
    replace: 'if (this.isEmpty) return undefined;',
    ...SOCK,
  },
  {
    name: 'a head that breaks off is taken for an answer',
    file: 'src/client/sock.ts',
    find: "headers.get('Content-Length') !== '0' && !this.#isDoubtful",
    replace: 'false',
    ...SOCK,
  },
  {
    name: 'a new session is polled for the batches of the old one',
    file: 'src/client/sock.ts',
    find: '    this.#got = 0;\n',
    replace: '',
    ...SOCK,
  },
  {
    name: 'a new session begins where the old one began',
    file: 'src/client/sock.ts',
    find: '(idIn(data) ?? this.#since)',
    replace: 'this.#since',
    ...SOCK,
  },
];
