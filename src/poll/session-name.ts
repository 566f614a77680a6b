import { randomBytes } from 'node:crypto';

/** The beginning of the names of sessions that carry a user's stream, so that requests of other sessions need not be identified. */
const CARRYING = 'u-';

/** A name that nobody can guess: 128 random bits. */
export function createSessionName(isCarrying: boolean): string {
  return (isCarrying ? CARRYING : '') + randomBytes(16).toString('hex');
}

export function isSessionName(text: string): boolean {
  return /^(?:u-)?[0-9a-f]{32}$/.test(text);
}

/** Whether a session of this name carries a user's stream. */
export function isCarrying(name: string): boolean {
  return name.startsWith(CARRYING);
}
