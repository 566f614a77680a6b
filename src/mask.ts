const MASK = '***';

/** What names end with whose values nobody may see: `accessToken`, `redis_password`, `sentinelPassword`, `sig`. */
const SECRET =
  '(?:token|ticket|secret|password|passwd|passphrase|pass|pwd|authorization|auth|cookie|credentials?|jwt|api[_-]?key|signature|sig)';

// The lengths are bounded where a name may begin anywhere: whoever sends a long path must not make the log slow.
/** In a finished line of JSON, so that depth does not matter: a text, a number, or a list of them. */
const JSON_VALUES = new RegExp(
  String.raw`"([\w-]{0,64}${SECRET})":(?:"(?:[^"\\]|\\.)*"|\[[^\]]{0,4096}\]|-?\d[\w.+-]*)`,
  'gi',
);
/** In the query of an address. */
const QUERY_VALUES = new RegExp(String.raw`([?&;][\w.%-]{0,64}${SECRET}=)(?:[^&;"'\s\\]|\\.)*`, 'gi');
const ADDRESSES = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)((?:[^\s"'\\]|\\.)*)/gi;
const HEADERS = /\b((?:Bearer|Basic) )[\w.~+/=-]+/gi;

/** A text for people or for the log, without the secrets in it. */
export function mask(text: string): string {
  return text
    .replace(JSON_VALUES, `"$1":"${MASK}"`)
    .replace(QUERY_VALUES, `$1${MASK}`)
    .replace(ADDRESSES, withoutUser)
    .replace(HEADERS, `$1${MASK}`);
}

/** Up to the last `@`, because a password may hold one, and a `/` as well. */
function withoutUser(_address: string, scheme: string, rest: string): string {
  const at = rest.lastIndexOf('@');
  return at < 0 ? scheme + rest : `${scheme}${MASK}@${rest.slice(at + 1)}`;
}
