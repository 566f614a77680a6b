import { SisyphusError } from '../errors.ts';
import { parseToken, type TokenReader } from '../message/token.ts';
import { type Authenticator, type Identity, NOBODY } from './authenticator.ts';
import type { Tell } from './claims.ts';
import { ACCESS_TOKEN, credentialOf } from './credential.ts';

export interface TokenOptions {
  cookie: string | undefined;
}

/** `SISYPHUS_AUTH=token`: the client brings a token that a gateway or a function in Redis has made, and that can be revoked. */
export function tokenMode({ cookie }: TokenOptions, tokens: TokenReader, tell: Tell): Authenticator {
  return {
    parameters: [ACCESS_TOKEN],
    asks: true,
    authenticate: async (request) => {
      const found = credentialOf(request, cookie);
      if (found === undefined) return NOBODY;
      if (found === 'malformed') return { refusal: 'malformed' };
      const token = parseToken(found.credential);
      // What is no token at all is answered as one that is not known: it is no business of the client's how tokens look.
      return token ? identityOf(token, tokens, tell) : { refusal: 'refused' };
    },
  };
}

async function identityOf(token: { user: string; hash: string }, tokens: TokenReader, tell: Tell): Promise<Identity> {
  try {
    const [state = 'unknown'] = await tokens.read([token]);
    if (typeof state === 'number') return { user: token.user, expires: Date.now() + state, credential: token.hash };
    return { refusal: state === 'unknown' ? 'refused' : state };
  } catch (error) {
    if (!(error instanceof SisyphusError)) throw error;
    if (error.code !== 'redis_unavailable') tell(`tokens cannot be looked up: ${error.message}`);
    return { refusal: 'unavailable' };
  }
}
