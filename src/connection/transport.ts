/** The ways in which clients read, as labels in metrics. */
export const TRANSPORTS = ['stream', 'poll', 'rt', 'sock.it', 'sync'] as const;

export type Transport = (typeof TRANSPORTS)[number];

/** Those whose writes are timed. What `sync` sends is written by a feed for all who poll, and joined with what follows. */
export const TIMED = ['stream', 'poll', 'rt', 'sock.it'] as const satisfies Transport[];

export type Timed = (typeof TIMED)[number];
