import type { Mutation } from './mutations.ts';

const REPORTS = 'unit/worker-reports';
const WORKERS = 'integration/workers';

/** Mistakes in what a primary and its workers tell each other. */
export const WORKER_MUTATIONS: Mutation[] = [
  {
    name: 'what is said to a worker that does not hear yet is lost',
    file: 'src/cli/worker-process.ts',
    find: '    if (this.#kept) this.#kept.set(message.kind, message);\n    else this.send(message);\n',
    replace: '    this.send(message);\n',
    caughtBy: WORKERS,
    only: 'while one of them is starting',
  },
  {
    name: 'a worker that starts has only the secrets of its fork',
    file: 'src/cli/worker-process.ts',
    find: '    for (const message of kept.values()) this.send(message);\n',
    replace: "    for (const message of kept.values()) if (message.kind === 'stop') this.send(message);\n",
    caughtBy: WORKERS,
    only: 'take the new ones',
  },
  {
    name: 'a worker that was told to stop before it starts waits for ever',
    file: 'src/cli/worker-life.ts',
    find: '    this.#resolveBegun(undefined);\n',
    replace: '',
    caughtBy: WORKERS,
    only: 'while one of them is starting',
  },
  {
    name: 'a worker that is told to stop while it starts comes to listen all the same',
    file: 'src/cli/worker-life.ts',
    find: '    server.listen = () => server;\n',
    replace: '',
    caughtBy: 'unit/worker-life',
  },
  {
    name: 'a connection hangs that was handed to a worker which died',
    file: 'src/cli/worker-process.ts',
    find: '    closeUntaken(child);\n',
    replace: '',
    caughtBy: WORKERS,
    only: 'leave no connection open',
  },
  {
    name: 'a connection that the worker has taken is answered again',
    file: 'src/cli/worker-connections.ts',
    find: '    if (ack !== undefined) untaken.delete(ack);\n',
    replace: '',
    caughtBy: 'unit/worker-connections',
  },
  {
    name: 'the end of a channel is believed to be announced by Node',
    file: 'src/cli/worker-connections.ts',
    find: "worker.emit('disconnect');",
    replace: '{}',
    caughtBy: WORKERS,
    only: 'leave no connection open',
  },
  {
    name: 'workers that are started later read the certificates themselves',
    file: 'src/cli/workers.ts',
    find: '...NO_CERTIFICATES, ',
    replace: '',
    caughtBy: WORKERS,
    only: 'certificates that were kept',
  },
  {
    name: 'workers that are started later have no certificates',
    file: 'src/cli/workers.ts',
    find: "    worker.tell({ kind: 'certificates', tls: this.#tls });\n    this",
    replace: '    this',
    caughtBy: WORKERS,
    only: 'certificates that were kept',
  },
  {
    name: 'a worker reads the certificates that a flag names',
    file: 'src/cli/worker-certificates.ts',
    find: '!FLAG.test(arg) && ',
    replace: '',
    caughtBy: 'unit/worker-certificates',
  },
];

/** Mistakes in the sum of their reports. */
export const WORKER_REPORT_MUTATIONS: Mutation[] = [
  {
    name: 'a worker that has answered and ended is counted twice',
    file: 'src/cli/worker-reports.ts',
    find: 'const heard = running.filter((worker) => found.has(worker));',
    replace: 'const heard = asked;',
    caughtBy: REPORTS,
    only: 'ends before the last one has',
  },
  {
    name: 'a worker that does not hear yet is waited for',
    file: 'src/cli/worker-reports.ts',
    find: '.filter(({ hears }) => hears);',
    replace: ';',
    caughtBy: REPORTS,
    only: 'that does not hear yet',
  },
];
