const MASK = '***';

/** The ends of names with secret values, such as `accessToken`, `redis_password`, `sentinelPassword` and `sig`. */
const SECRET =
  '(?:token|ticket|secret|password|passwd|passphrase|pass|pwd|authorization|auth|cookie|credentials?|jwt|api[_-]?key|signature|sig)';

// If a match may begin anywhere, its length is bounded, so that a client with a long path cannot make the log slow.
/** Secret members in a serialized line of JSON, at any depth: a text, a number, or a list of them. */
const JSON_VALUES = new RegExp(
  String.raw`"([\w-]{0,64}${SECRET})":(?:"(?:[^"\\]|\\.)*"|\[[^\]]{0,4096}\]|-?\d[\w.+-]*)`,
  'gi',
);
/** Secret parameters in the query of an address. */
const QUERY_VALUES = new RegExp(String.raw`([?&;][\w.%-]{0,64}${SECRET}=)(?:[^&;"'\s\\]|\\.)*`, 'gi');
const ADDRESSES = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)((?:[^\s"'\\]|\\.)*)/gi;
const HEADERS = /\b((?:Bearer|Basic) )[\w.~+/=-]+/gi;

/** Replaces the secrets in a text for people or for the log by `***`. */
export function mask(text: string): string {
  return text
    .replace(JSON_VALUES, `"$1":"${MASK}"`)
    .replace(QUERY_VALUES, `$1${MASK}`)
    .replace(ADDRESSES, withoutUser)
    .replace(HEADERS, `$1${MASK}`);
}

/** Masks everything up to the last `@`, because a password may contain `@` and `/`. */
function withoutUser(_address: string, scheme: string, rest: string): string {
  const at = rest.lastIndexOf('@');
  return at < 0 ? scheme + rest : `${scheme}${MASK}@${rest.slice(at + 1)}`;
}
