import type { Refusal } from '../connection/refusal.ts';
import { isUser } from '../message/names.ts';

export type Identity = { user: string } | { refusal: Refusal };

/** Turns a request into who it is, or into why not: the one place for it. `SISYPHUS_AUTH=open` trusts `?user=`. */
export function identify(query: URLSearchParams): Identity {
  const users = query.getAll('user');
  const [user] = users;
  if (user === undefined) return { refusal: 'missing' };
  if (users.length > 1) return { refusal: 'repeated' };
  if (user.trim() === '') return { refusal: 'blank' };
  return isUser(user) ? { user } : { refusal: 'malformed' };
}
