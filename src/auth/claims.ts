import { isChannel, isUser, jsonOf } from '../message/names.ts';
import type { Identity } from './authenticator.ts';

/** What is claimed about a client: the claims of a token, or the answer of the application. */
export interface Claims {
  user: unknown;
  /** When the credential expires (ms since 1970). */
  expires?: number | undefined;
  channels?: unknown;
}

/** Called with a sentence about a claim that cannot be used, for the log of the operator. */
export type Tell = (problem: string) => void;

/**
 * Checks what was said about a client, and makes it an identity. A user id that is a number is taken as its digits: many issuers write
 * `"user_id": 7`.
 *
 * @param name what the user is called where it comes from, for messages
 */
export function identityOf({ user, expires, channels }: Claims, name: string, tell: Tell): Identity {
  const id = Number.isSafeInteger(user) ? String(user) : user;
  if (typeof id !== 'string' || !isUser(id)) {
    tell(`${name} is ${quote(user)}, which is no user id: expected 1 to 128 of A-Z a-z 0-9 _ . @ + | -`);
    return { refusal: 'malformed' };
  }
  if (channels === undefined || channels === null) return { user: id, expires };
  if (!Array.isArray(channels)) {
    tell(`channels is ${quote(channels)}: expected a list of names, such as ["room:918"]`);
    return { refusal: 'malformed' };
  }
  const named = channels.filter((channel): channel is string => typeof channel === 'string' && isChannel(channel));
  const odd = channels.find((channel) => typeof channel !== 'string' || !isChannel(channel));
  if (odd !== undefined) tell(`channels has names that are no channels, such as ${quote(odd)}: they are ignored`);
  return { user: id, expires, channels: [...new Set(named)] };
}

function quote(value: unknown): string {
  const text = jsonOf(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
