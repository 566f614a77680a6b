import type { Mutation } from './mutations.ts';

const FILE = 'src/client/tabs.ts';
const CAUGHT_BY = 'unit/client-tabs';

/** Mistakes in how tabs share a line. */
export const TAB_MUTATIONS: Mutation[] = [
  {
    name: 'tabs: polls outside of them are not refused',
    file: 'src/client/poll.ts',
    find: 'if (open.key !== undefined)',
    replace: "if (open.key === '')",
    caughtBy: CAUGHT_BY,
    only: 'refuse to be inside',
  },
  {
    name: 'tabs: frames of a leader that has lost its lock are taken',
    file: FILE,
    find: '    if (!(word.term >= this.#term)) return;\n',
    replace: '',
    caughtBy: CAUGHT_BY,
    only: 'do not go back',
  },
  {
    name: 'tabs: a leader gives up its line for what is no word',
    file: FILE,
    find: 'if (!(word.term >= this.#term)) return;',
    replace: 'if (word.term < this.#term) return;',
    caughtBy: CAUGHT_BY,
    only: 'no word of theirs',
  },
  {
    name: 'tabs: a message that is known already is given again',
    file: FILE,
    find: '    else if (/^{"channel/.test(data)) return;\n',
    replace: '',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: a tab that is behind goes on at the position of the leader',
    file: FILE,
    find: 'this.#at >= line.floor &&',
    replace: 'this.#at >= 0 &&',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: a position of the future is believed',
    file: FILE,
    find: 'this.#isKnown || this.#at <= at',
    replace: 'true',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: a tab that joins after a reset is not told of it',
    file: FILE,
    find: 'else if (/^{"reset/.test(data)) line.isTorn = true;',
    replace: 'else if (/^{"reset/.test(data)) line.isTorn = false;',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: frames that come while a tab reads what it has missed are lost',
    file: FILE,
    find: '    for (const frame of held) this.#take(frame);\n',
    replace: '',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: a leader that hangs keeps the lock',
    file: FILE,
    find: 'if (this.#hasAsked) this.#queue({ steal: true });',
    replace: 'if (this.#hasAsked) this.#say(ASK);',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: a leader whose line is silent says that it lives',
    file: FILE,
    find: 'if (this.#release && Date.now() < this.#due) this.#say',
    replace: 'if (this.#release) this.#say',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: the lock is not asked for again when it was lost',
    file: FILE,
    find: 'if (options.signal) this.#queue(options);',
    replace: '',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: an old credential of a tab that takes over ends its stream for good',
    file: FILE,
    find: 'if (!this.#isKnown) this.#give(data);',
    replace: 'this.#give(data);',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: an older page ends the streams of a newer one',
    file: FILE,
    find: 'if (born < page.born) users.postMessage(page);',
    replace: 'if (born > page.born) users.postMessage(page);',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: a page that names its user is ended by another user',
    file: FILE,
    find: '(user|access_token)=',
    replace: '(nobody)=',
    caughtBy: CAUGHT_BY,
  },
  {
    name: 'tabs: all tabs open their streams at once though the gateway has said when',
    file: FILE,
    find: 'line.head = /^{"status":"ok/.test(data) ? [data] : [];',
    replace: 'line.head = [data];',
    caughtBy: CAUGHT_BY,
  },
];
