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

/** Names of channels, and the user whose own channel each is, if it is one. */
export const OWN_CHANNELS: [string, string | undefined][] = [
  ['user:7', '7'],
  ['user:a+b@c.d', 'a+b@c.d'],
  [`user:${'u'.repeat(128)}`, 'u'.repeat(128)],
  ...['user:', 'user:7:channels', 'users:7', 'User:7', 'xuser:7', 'user', 'room:7', 'user:a b'].map(nobodys),
  nobodys(`user:${'u'.repeat(129)}`),
];

/** Texts, and whether they are ids of users. */
export const USERS: [string, boolean][] = [
  ...['7', 'a+b@c.d', 'auth0|5f7c', '__proto__', '-', 'u'.repeat(128)].map(is),
  ...['', '1:channels', 'u'.repeat(129), ' 7', '7\n', '*', '[a-z]', '{room}', 'a\0', 'ü', '7,8', 'a/b'].map(isNot),
];

/** Texts, and whether they may be names of events. */
export const EVENTS: [string, boolean][] = [
  ...['moved', 'a.b:c-d_e', 'Reset', 'e'.repeat(128)].map(is),
  ...['reset', 'denied', 'open', 'error', 'message', '', 'e'.repeat(129), 'a\r', 'a\nb', 'a b', 'é', 'a|b'].map(isNot),
];

/** Texts, and whether they are names of installations. */
export const NAMESPACES: [string, boolean][] = [
  ...['shop', 'a.b-c_D9', '0', 'n'.repeat(64)].map(is),
  ...['', 'n'.repeat(65), 'a b', 'a:b', '{a}', 'a}', 'é', 'a*'].map(isNot),
];

/** A namespace, a database and a channel, and the topic and the key of its backlog. */
export const KEYS_AND_TOPICS: { of: [string | undefined, number, string]; topic: string; backlog: string }[] = [
  {
    of: [undefined, 0, 'room:1'],
    topic: 'sisyphus{0}/room/1',
    backlog: 'sisyphus:{0}:channel:room:1:msg_backlog',
  },
  { of: [undefined, 3, 'x'], topic: 'sisyphus{0}@3/x', backlog: 'sisyphus:{0}:channel:x:msg_backlog' },
  {
    of: ['shop', 12, 'a:b:c'],
    topic: 'sisyphus{shop/0}@12/a/b/c',
    backlog: 'sisyphus:{shop:0}:channel:a:b:c:msg_backlog',
  },
];

/** For how long messages are kept, and for how long it is known of a channel that there were any (ms). */
export const LIFETIMES: [number, number][] = [
  [1, 2000],
  [285, 2000],
  [286, 2002],
  [86_400_000, 604_800_000],
  [172_800_000, 604_800_000],
  [400_000_000, 800_000_000],
];

/** Rules for how many messages are kept (200 if none fits), a channel, and how many are kept of it. */
export const LENGTHS: [string, string, number][] = [
  ['', 'room:1', 200],
  ['sticker:*=1 room:*=500', 'room:1', 500],
  ['sticker:*=1 room:*=500', 'sticker:1', 1],
  ['sticker:*=1 room:*=500', 'user:7', 200],
  ['room:1=3 room:*=4', 'room:1', 3],
  ['room:*=4 room:1=3', 'room:1', 4],
  ['a=b=2', 'a=b', 2],
  ['room:[12]=7', 'room:2', 7],
];

/** Two places, and whether the first comes after the second. */
export const ORDERS: [[number, number], [number, number], boolean][] = [
  [[5, 0], [5, 0], false],
  [[5, 1], [5, 0], true],
  [[5, 0], [5, 1], false],
  [[6, 0], [5, 9], true],
  [[5, 9], [6, 0], false],
];

function nobodys(channel: string): [string, undefined] {
  return [channel, undefined];
}

function is(text: string): [string, boolean] {
  return [text, true];
}

function isNot(text: string): [string, boolean] {
  return [text, false];
}
