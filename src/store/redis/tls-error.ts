import type { RedisTls } from '../../config/redis-certificates.ts';
import { UnfitError } from './redis-error.ts';

const NOT_TAKEN =
  'Redis does not take the certificate in SISYPHUS_REDIS_CERT: expected one that is valid, of a CA that Redis trusts';

/** Reasons, by a pattern of the error's code and message: those of the verification here come first, then those of Redis. */
const REASONS: [RegExp, string | ((tls: RedisTls) => string)][] = [
  [/^CERT_HAS_EXPIRED/, 'the certificate of Redis, or of its CA, has expired: expected a renewed one'],
  [
    /^CERT_NOT_YET_VALID/,
    'the certificate of Redis is not valid yet: expected one that is, and the right time on this machine',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID|^HOSTNAME_MISMATCH/,
    'the certificate of Redis is for another host: expected the host of REDIS_URL among its alternative names',
  ],
  [
    /^(DEPTH_ZERO_)?SELF_SIGNED_CERT|^UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)|^CERT_(UNTRUSTED|SIGNATURE_FAILURE)|^INVALID_CA/,
    ({ ca }) =>
      ca === undefined
        ? 'the certificate of Redis is of a CA that is not trusted here: expected the certificate of that CA in SISYPHUS_REDIS_CA'
        : 'the certificate of Redis is not of a CA in SISYPHUS_REDIS_CA: expected the certificate of the CA that signed it',
  ],
  [
    /wrong.version.number|packet.length.too.long|unknown.protocol|http.request/i,
    'Redis does not speak TLS on this port: expected redis://, or its TLS port',
  ],
  [
    /alert.certificate.required|alert.handshake.failure/i,
    ({ cert }) =>
      cert === undefined
        ? 'Redis asks for a certificate: expected SISYPHUS_REDIS_CERT and SISYPHUS_REDIS_KEY, or tls-auth-clients no in Redis'
        : NOT_TAKEN,
  ],
  [/alert.(unknown.ca|bad.certificate|certificate|unsupported.certificate)/i, () => NOT_TAKEN],
  [
    /^(CERT_|UNABLE_TO_|INVALID_|PATH_LENGTH|ERR_TLS_|ERR_SSL_|CRL_)|SSL routines/,
    'no safe connection to Redis can be made by TLS: expected a certificate that can be verified',
  ],
];
/** Why no safe connection can be made, if that is the reason of the error. The detail is the text of the error. */
export function toTlsError(error: Error & { code?: unknown }, tls: RedisTls): UnfitError | undefined {
  const text = `${String(error.code ?? '')} ${error.message}`;
  const [, reason] = REASONS.find(([pattern]) => pattern.test(text)) ?? [];
  if (reason === undefined) return undefined;
  return new UnfitError(typeof reason === 'string' ? reason : reason(tls), text.trim());
}
