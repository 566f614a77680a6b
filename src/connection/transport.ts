/** The ways in which clients read, as labels in metrics. */
export const TRANSPORTS = ['stream', 'poll', 'rt', 'sock.it', 'sync'] as const;

export type Transport = (typeof TRANSPORTS)[number];
