import { isUser } from '../message/names.ts';
import { type Authenticator, type Identity, NOBODY } from './authenticator.ts';

/** `SISYPHUS_AUTH=open`: the client is the user that `?user=` names; nothing is verified. */
export const openMode: Authenticator = {
  parameters: ['user'],
  asks: false,
  authenticate: async ({ query }) => identityOf(query.getAll('user')),
};

function identityOf(users: string[]): Identity {
  const [user] = users;
  if (user === undefined) return NOBODY;
  return users.length === 1 && isUser(user) ? { user } : { refusal: 'malformed' };
}
