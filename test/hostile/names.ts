/** For what a name is good: a user, a channel, or an event. */
export type Kind = 'user' | 'channel' | 'event';

/** A name that somebody may try: what it is, the text, and the kinds that it is a good name of. */
export interface Name {
  what: string;
  text: string;
  good: readonly Kind[];
}

const ALL: Kind[] = ['user', 'channel', 'event'];

/** Names that mean something elsewhere: in Redis, in JavaScript, in files, in HTTP, in a terminal. */
export const NAMES: Name[] = [
  name('the list of another user', '1:channels', ['channel', 'event']),
  name('the list of another user, with its prefix', 'user:1:channels', ['channel', 'event']),
  name('a glob', '*'),
  name('a glob of users', 'user:*'),
  name('a class of a glob', 'room:[a-z]'),
  name('one character of a glob', 'room:?'),
  name('a path', '../'),
  name('a path to a file', '../../etc/passwd'),
  name('two dots', '..', ALL),
  name('the prototype', '__proto__', ALL),
  name('the constructor', 'constructor', ALL),
  name('a method of objects', 'toString', ALL),
  name('nothing', ''),
  name('a space', ' '),
  name('NUL', 'a\0b'),
  name('a carriage return and a line feed', 'a\r\nb: c'),
  name('a line feed at the end', 'a\n'),
  name('a line feed at the start', '\na'),
  name('the separator of lines of Unicode', 'a\u2028b'),
  name('a lone surrogate', 'a\ud800b'),
  name('a letter that is no ASCII', 'ü'),
  name('a wide letter', 'ａ'),
  name('an escape of a terminal', 'a\u001b[2Jb'),
  name('128 characters', 'u'.repeat(128), ALL),
  name('129 characters', 'u'.repeat(129)),
  name('a key of the gateways', 'sisyphus:{0}:clock'),
  name("the gateways' own prefix", 'sisyphus:x', ['event']),
  name('a topic of the gateways', '@gap', ['user']),
  name('a hash tag', '{0}'),
  name('two names', 'a,b'),
  name('quotes', `a"'b`),
  name('a percent sign', 'a%00b'),
  name('a letter of an issuer', 'auth0|65f', ['user']),
  name('an event of the gateway', 'reset', ['user', 'channel']),
  name('an event of the browser', 'error', ['user', 'channel']),
  name('markup', '<b>', []),
  name('an entity', '&amp;', []),
];

function name(what: string, text: string, good: readonly Kind[] = []): Name {
  return { what, text, good };
}
