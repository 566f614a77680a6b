/** What the gateway and the functions in Redis must read alike: each table is tried on both. */

/** A pattern, names that it fits, and names that it does not. */
export const PATTERNS: [string, string[], string[]][] = [
  ['*', ['a', 'room:1'], []],
  ['*:*', ['room:1', ':', 'a:b:c'], ['room', 'sisyphus{0}/room/1']],
  ['room:*', ['room:', 'room:918'], ['rooms:1', 'xroom:1']],
  ['room:?', ['room:1'], ['room:', 'room:12']],
  ['user:[0-9]*', ['user:7', 'user:70:channels'], ['user:a', 'user:', 'user:-']],
  ['room:[^a]*', ['room:b', 'room:^'], ['room:a', 'room:']],
  ['[^a]b', ['bb'], ['ab', 'b']],
  ['a\\*', ['a*'], ['ab']],
  ['[z-a]', ['m'], ['M']],
  ['[a', ['a'], ['b', '[a']],
  ['[^a', ['b'], ['a', '']],
  ['[', [], ['[', '', 'a']],
  ['a\\', ['a\\'], ['a']],
  ['[]', [], ['', 'a', '[]']],
  ['[\\]]', [']'], ['\\', 'a']],
  ['a.c', ['a.c'], ['abc']],
  ['%a+', ['%a+'], ['a', '1']],
  ['(a|b)$', ['(a|b)$'], ['a', 'b']],
  ['**a**', ['a', 'xax'], ['x', '']],
];

/** Names, and whether they are those of channels. */
export const CHANNELS: [string, boolean][] = [
  ...[
    'room:918',
    'x',
    '__proto__',
    'constructor',
    'A.b-c_d:9',
    ':',
    'a'.repeat(128),
    'sisyphus',
    'user:7:channels',
  ].map(is),
  ...['user:7', 'user:a+b@c.d', 'user:auth0|5f7c', `user:${'u'.repeat(128)}`].map(is),
  ...['', 'a'.repeat(129), 'a b', 'a\n', '\na', 'é', 'ａ', 'room:*', 'room:[1]', '{0}', 'a/b', 'a\0', 'a,b'].map(isNot),
  ...['@gap', 'a|b', 'room:a@b', 'sisyphus:', 'sisyphus:x', 'sisyphus:{0}:clock', `user:${'u'.repeat(129)}`].map(isNot),
  ...['user:a b', 'user:+:1'].map(isNot),
];

/** Texts, and whether they are ids of users. */
export const USERS: [string, boolean][] = [
  ...['7', 'a+b@c.d', 'auth0|5f7c', '__proto__', '-', 'u'.repeat(128)].map(is),
  ...['', '1:channels', 'u'.repeat(129), ' 7', '7\n', '*', '[a-z]', '{room}', 'a\0', 'ü', '7,8', 'a/b'].map(isNot),
];

/** Texts, and whether they may be names of events. */
export const EVENTS: [string, boolean][] = [
  ...['moved', 'a.b:c-d_e', 'Reset', 'e'.repeat(128)].map(is),
  ...['reset', 'open', 'error', 'message', '', 'e'.repeat(129), 'a\r', 'a\nb', 'a b', 'é', 'a|b'].map(isNot),
];

function is(text: string): [string, boolean] {
  return [text, true];
}

function isNot(text: string): [string, boolean] {
  return [text, false];
}
