import { isUser } from '../message/names.ts';
import type { Authenticator, Identity } from './authenticator.ts';

/** `SISYPHUS_AUTH=open`: the client is the user that `?user=` names; nothing is verified. */
export const openMode: Authenticator = {
  parameters: ['user'],
  asks: false,
  authenticate: async ({ query }) => identityOf(query.getAll('user')),
};

function identityOf(users: string[]): Identity {
  const [user] = users;
  if (user === undefined) return { refusal: 'missing' };
  if (users.length > 1) return { refusal: 'repeated' };
  if (user.trim() === '') return { refusal: 'blank' };
  return isUser(user) ? { user } : { refusal: 'malformed' };
}
