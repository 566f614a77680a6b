/** The ways in which clients read, as labels in metrics. */
export const TRANSPORTS = ['stream', 'poll', 'rt', 'sock.it', 'sync'] as const;

export type Transport = (typeof TRANSPORTS)[number];

/** The transports whose writes are timed. `sync` is not among them: one feed writes for all clients, and joins messages that follow each other. */
export const TIMED = ['stream', 'poll', 'rt', 'sock.it'] as const satisfies Transport[];

export type Timed = (typeof TIMED)[number];
