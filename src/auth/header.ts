import type { Range } from '../config/auth-values.ts';
import { isUser } from '../message/names.ts';
import { digestOf, isSame } from '../secret-digest.ts';
import { type Authenticator, type Identity, NOBODY } from './authenticator.ts';
import type { HttpRequest } from './http-request.ts';
import { TrustedProxies } from './trusted-proxies.ts';

/** The header in which a proxy proves that it is one. */
const SECRET_HEADER = 'x-sisyphus-secret';

export interface HeaderOptions {
  headerUser: string;
  headerSecret: string | undefined;
  trustedProxies: readonly Range[];
}

/**
 * `SISYPHUS_AUTH=header`: a proxy names the user in a header. From anybody but a trusted proxy that header is an attack, and is refused:
 * reading it as nobody would hide a proxy that is not configured.
 */
export function headerMode({ headerUser, headerSecret, trustedProxies }: HeaderOptions): Authenticator {
  const name = headerUser.toLowerCase();
  const proxies = new TrustedProxies(trustedProxies);
  const secret = headerSecret === undefined ? undefined : digestOf(headerSecret);
  const isBelieved = (request: HttpRequest): boolean => {
    const secrets = request.valuesOf(SECRET_HEADER);
    const proves = secret !== undefined && secrets.length === 1 && isSame(digestOf(secrets[0]!), secret);
    return proves || proxies.trusts(request.remoteAddress);
  };
  return {
    parameters: [],
    asks: false,
    authenticate: async (request) => {
      // A proxy that has no user to name sends the header without a value, or leaves it out.
      const users = request.valuesOf(name).filter((user) => user !== '');
      if (users.length === 0) return NOBODY;
      return isBelieved(request) ? identityOf(users) : { refusal: 'untrusted' };
    },
  };
}

function identityOf(users: string[]): Identity {
  const [user = ''] = users;
  return users.length === 1 && isUser(user) ? { user } : { refusal: 'malformed' };
}
