import { isIPv6 } from 'node:net';
import { Mistake } from './values.ts';

/** The address of a Redis, with the credentials and the database to use there. */
export type RedisAddress = {
  username: string | undefined;
  password: string | undefined;
  database: number;
} & (
  | { kind: 'host'; host: string; port: number; tls: boolean }
  | { kind: 'socket'; path: string }
  | { kind: 'sentinel'; sentinels: { host: string; port: number }[]; name: string; tls: boolean }
);

/** Groups: scheme, user and password, hosts, path, query, fragment. The last `@` before a slash ends the password, as in browsers. */
const FORM = /^(rediss?|redis\+unix|rediss?\+sentinel):\/\/(?:([^/?#]*)@)?([^@/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/i;
const DATABASE = /^(?:0|[1-9]\d{0,8})$/;
const HOST = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/;
const PARAMETERS = ['db', 'username', 'password', 'protocol'];
// A password before the host, as in `user:password@host`, would be masked where the message is printed.
const FORMS =
  'expected redis://host[:port][/db], /path/of/a/socket, redis+unix:///path[?db=<db>] or ' +
  'redis+sentinel://host:port,host:port/service[/db], with TLS rediss://… or rediss+sentinel://…; ' +
  'user:password@ stands before the first host';

/**
 * Parses the address of a Redis. Every part of the address is either used or refused.
 *
 * @throws Mistake; its message never quotes text that may be part of a password
 */
export function parseRedisUrl(text: string): RedisAddress {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression looks for control characters.
  if (/[\s\0-\x1f\x7f]/.test(text)) throw wrong('expected no spaces in it; write %20 for one in a password');
  if (text.startsWith('/')) return socketOf(text);
  const match = FORM.exec(text);
  if (!match) throw wrong(FORMS);
  const [, scheme = '', user, hosts = '', path = '', query, fragment] = match;
  if (fragment !== undefined) throw wrong('expected no # in it; write %23 for one in a password');
  const said = parametersOf(query, text);
  const credentials = credentialsOf(user, said);
  switch (scheme.toLowerCase()) {
    case 'redis+unix':
      if (hosts !== '') throw wrong('expected no host before the path of a socket: redis+unix:///path');
      if (path.length < 2) throw wrong(FORMS);
      return { kind: 'socket', path: decode(path), ...credentials, database: databaseOf(undefined, said) };
    case 'redis+sentinel':
    case 'rediss+sentinel': {
      const [, name, db] = /^\/([^/]+)(?:\/([^/]*))?$/.exec(path) ?? [];
      if (name === undefined) throw wrong(FORMS);
      const sentinels = hosts.split(',').map((host) => hostOf(host, 26379));
      const tls = scheme.toLowerCase() === 'rediss+sentinel';
      return { kind: 'sentinel', sentinels, name: decode(name), tls, ...credentials, database: databaseOf(db, said) };
    }
    default: {
      const [, db] = /^\/(.+)$/.exec(path) ?? [];
      const tls = scheme.toLowerCase() === 'rediss';
      return { kind: 'host', ...hostOf(hosts, 6379), tls, ...credentials, database: databaseOf(db, said) };
    }
  }
}

/** Checks an address. @returns the text itself */
export function redisUrl(text: string): string {
  parseRedisUrl(text);
  return text;
}

function socketOf(path: string): RedisAddress {
  if (/[?#]/.test(path)) throw wrong('expected a path alone; with a database it is written redis+unix:///path?db=<db>');
  if (path === '/') throw wrong(FORMS);
  return { kind: 'socket', path, username: undefined, password: undefined, database: 0 };
}

function parametersOf(query: string | undefined, text: string): Map<string, string> {
  const said = new Map<string, string>();
  for (const part of query ? query.split('&') : []) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(part) ?? [];
    if (!PARAMETERS.includes(name)) {
      // If a ? in a password is not encoded, the rest of the password looks like the name of a parameter.
      const isName = /^[a-z_]{1,32}$/i.test(name) && !text.slice(text.indexOf('?')).includes('@');
      const unknown = isName ? `the parameter ${name} is unknown` : 'a parameter behind the ? is unknown';
      throw wrong(`${unknown}; expected ${PARAMETERS.join(', ')}, or %3F for a ? in a password`);
    }
    if (said.has(name)) throw wrong(`expected ${name} once`);
    if (value === '') throw wrong(`expected a value for ${name}`);
    // Some programs read a + as a space, others as itself.
    if (value.includes('+')) throw wrong(`expected no + in ${name}; write %2B for one, or %20 for a space`);
    said.set(name, decode(value));
  }
  if ((said.get('protocol') ?? '3') !== '3') {
    throw wrong('expected protocol=3, or none: the gateway asks on the connection on which it listens');
  }
  return said;
}

function credentialsOf(userinfo: string | undefined, said: Map<string, string>) {
  const [, user = '', secret = ''] = /^([^:]*):?(.*)$/s.exec(userinfo ?? '') ?? [];
  return {
    username: once('username', decode(user) || undefined, said.get('username')),
    password: once('password', decode(secret) || undefined, said.get('password')),
  };
}

function databaseOf(fromPath: string | undefined, said: Map<string, string>): number {
  const text = once('the database', fromPath, said.get('db')) ?? '0';
  if (DATABASE.test(text)) return Number(text);
  throw wrong('expected the number of a database, such as redis://host:6379/3 or ?db=3');
}

function hostOf(text: string, defaultPort: number): { host: string; port: number } {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? [];
  // The host is decoded, because the zone of a link-local address follows a %25.
  const host = bracketed === undefined ? plain : decode(bracketed);
  if (!(bracketed === undefined ? HOST.test(host) : isIPv6(host))) throw wrong(FORMS);
  if (port === undefined) return { host, port: defaultPort };
  const number = /^[1-9]\d{0,4}$/.test(port) ? Number(port) : 0;
  if (number < 1 || number > 65_535) throw wrong('expected a port from 1 to 65535, or none and no colon');
  return { host, port: number };
}

function once(what: string, here: string | undefined, there: string | undefined): string | undefined {
  if (here !== undefined && there !== undefined) throw wrong(`expected ${what} once, not before and behind the ?`);
  return here ?? there;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // `decodeURIComponent` throws nothing but URIError.
    throw wrong('expected two hexadecimal digits behind each %; write %25 for a % in a password');
  }
}

function wrong(expected: string): Mistake {
  return new Mistake(`is no Redis: ${expected}`);
}
