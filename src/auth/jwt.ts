import { createSecretKey, type KeyObject } from 'node:crypto';
import { type CryptoKey, errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { algorithmsFor } from '../config/auth-values.ts';
import { type Authenticator, type Identity, NOBODY } from './authenticator.ts';
import { identityOf, type Tell } from './claims.ts';
import { ACCESS_TOKEN, credentialOf } from './credential.ts';
import { jwks, KeysUnavailable } from './jwks.ts';

/** How far the clock of an issuer may be ahead (s): a token that was issued this moment must be valid now. It does not extend a token. */
const AHEAD = 5;

/** What tokens may be signed with if only the address of the keys is configured: the usual ones, and never a shared secret. */
const OF_JWKS = ['RS256', 'ES256', 'EdDSA'];

/** How many keys are tried if a token does not name its own: each costs up to 0.1 ms, and anybody can send such a token. */
const MAX_TRIED = 20;

export interface JwtOptions {
  jwtSecret: string | undefined;
  jwtKey: KeyObject | undefined;
  jwtJwksUrl: string | undefined;
  jwtAlgorithms: string[] | undefined;
  jwtIssuer: string[] | undefined;
  jwtAudience: string[] | undefined;
  jwtUserClaim: string;
  cookie: string | undefined;
}

type Verify = (token: string) => Promise<JWTPayload>;

/**
 * `SISYPHUS_AUTH=jwt`: the client brings a signed token (RFC 7519). The algorithm is configured; what the token says is only compared. Each token
 * takes 29 µs of CPU with HS256, 34 with RS256, 59 with ES256 and 76 with EdDSA, the last three partly on other threads.
 */
export function jwtMode(options: JwtOptions, tell: Tell, cooldown?: number): Authenticator {
  const { cookie, jwtJwksUrl, jwtUserClaim } = options;
  const verify = createVerify(options, tell, cooldown);
  return {
    parameters: [ACCESS_TOKEN],
    asks: jwtJwksUrl !== undefined,
    authenticate: async (request) => {
      const found = credentialOf(request, cookie);
      if (found === undefined) return NOBODY;
      if (found === 'malformed') return { refusal: 'malformed' };
      try {
        const claims = await verify(found.credential);
        const expires = claims.exp === undefined ? undefined : claims.exp * 1000;
        const user = Object.hasOwn(claims, jwtUserClaim) ? claims[jwtUserClaim] : undefined;
        const name = `the claim ${jwtUserClaim} of a token`;
        const say: Tell = (text) => tell(`${text}; SISYPHUS_JWT_USER_CLAIM names another claim`);
        return identityOf({ user, expires, channels: claims.channels }, name, say);
      } catch (error) {
        if (error instanceof KeysUnavailable) tell(error.message);
        return refusalOf(error);
      }
    },
  };
}

function createVerify(
  { jwtSecret, jwtKey, jwtJwksUrl, ...options }: JwtOptions,
  tell: Tell,
  cooldown: number | undefined,
): Verify {
  const usual = jwtSecret !== undefined ? ['HS256'] : jwtKey ? algorithmsFor(jwtKey).slice(0, 1) : OF_JWKS;
  const checks: JWTVerifyOptions = { algorithms: options.jwtAlgorithms ?? usual, clockTolerance: AHEAD };
  if (options.jwtIssuer) checks.issuer = options.jwtIssuer;
  if (options.jwtAudience) checks.audience = options.jwtAudience;
  if (jwtJwksUrl !== undefined) {
    const keys = jwks(new URL(jwtJwksUrl), tell, cooldown);
    return (token) => verifyByAny(token, keys, checks, tell);
  }
  const key = jwtKey ?? createSecretKey(jwtSecret!, 'utf8');
  return (token) => verifyBy(token, key, checks, tell);
}

/** If the key cannot be used, such as one of RSA with 1024 bits, the token is refused (`signature`), and the operator is notified. */
async function verifyBy(
  token: string,
  key: KeyObject | CryptoKey | JWTVerifyGetKey,
  checks: JWTVerifyOptions,
  tell: Tell,
): Promise<JWTPayload> {
  try {
    return (await (typeof key === 'function' ? jwtVerify(token, key, checks) : jwtVerify(token, key, checks))).payload;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof KeysUnavailable) throw error;
    tell(`a key that tokens are signed with cannot be used: ${(error as Error).message}`);
    throw new errors.JWSSignatureVerificationFailed(undefined, { cause: error });
  }
}

/** An issuer need not name the key in the token (`kid`). Then each key of the right kind is tried, up to `MAX_TRIED`. */
async function verifyByAny(
  token: string,
  keys: JWTVerifyGetKey,
  checks: JWTVerifyOptions,
  tell: Tell,
): Promise<JWTPayload> {
  try {
    return await verifyBy(token, keys, checks, tell);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const key of error) {
      if (++tried > MAX_TRIED) {
        tell(
          `tokens do not name their key, and more than ${MAX_TRIED} may have signed them: expected tokens with a kid`,
        );
        break;
      }
      try {
        return await verifyBy(token, key, checks, tell);
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

function refusalOf(error: unknown): Identity {
  if (error instanceof errors.JWTExpired) return { refusal: 'expired' };
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error;
    if (claim === 'nbf') return { refusal: 'not_yet' };
    return { refusal: claim === 'aud' || claim === 'iss' ? 'audience' : 'malformed' };
  }
  if (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JWKSNoMatchingKey
  ) {
    return { refusal: 'signature' };
  }
  if (error instanceof KeysUnavailable) return { refusal: 'unavailable' };
  // What is left of the errors of jose says that the text is no token.
  if (error instanceof errors.JOSEError) return { refusal: 'malformed' };
  throw error;
}
