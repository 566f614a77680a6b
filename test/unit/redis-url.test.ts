import { expect } from 'chai';
import { parseRedisUrl, type RedisAddress } from '../../src/config/redis-url.ts';
import { Mistake } from '../../src/config/values.ts';

const HOST = { kind: 'host', host: 'h', port: 6379, tls: false, username: undefined, password: undefined, database: 0 };
const SOCKET = { kind: 'socket', path: '/run/redis.sock', username: undefined, password: undefined, database: 0 };
const SENTINEL = {
  kind: 'sentinel',
  sentinels: [{ host: 'h1', port: 26379 }],
  name: 'main',
  tls: false,
  username: undefined,
  password: undefined,
  database: 0,
};

const OBEYED: [string, object][] = [
  ['redis://h', HOST],
  ['REDIS://h/', HOST],
  ['redis://h:6380', { ...HOST, port: 6380 }],
  ['redis://H.example', { ...HOST, host: 'H.example' }],
  ['redis://my_redis', { ...HOST, host: 'my_redis' }],
  ['redis://127.0.0.1:1/0', { ...HOST, host: '127.0.0.1', port: 1 }],
  ['redis://[::1]', { ...HOST, host: '::1' }],
  ['redis://[fe80::1]:6380/2', { ...HOST, host: 'fe80::1', port: 6380, database: 2 }],
  ['redis://[fe80::1%25eth0]', { ...HOST, host: 'fe80::1%eth0' }],
  ['redis://h/3', { ...HOST, database: 3 }],
  ['redis://h?db=3', { ...HOST, database: 3 }],
  ['redis://h/?db=3', { ...HOST, database: 3 }],
  ['redis://h/?', HOST],
  ['redis://h/99', { ...HOST, database: 99 }],
  ['redis://:p@h', { ...HOST, password: 'p' }],
  ['redis://u@h', { ...HOST, username: 'u' }],
  ['redis://u:p@h', { ...HOST, username: 'u', password: 'p' }],
  ['redis://u:p:q@h', { ...HOST, username: 'u', password: 'p:q' }],
  ['redis://u:p@q@h', { ...HOST, username: 'u', password: 'p@q' }],
  ['redis://u%3A:%40%2F%3F%23%25+é@h', { ...HOST, username: 'u:', password: '@/?#%+é' }],
  ['redis://h?password=p', { ...HOST, password: 'p' }],
  ['redis://u@h?password=a%2Bb', { ...HOST, username: 'u', password: 'a+b' }],
  ['redis://h?username=u&password=p%26q&db=2&protocol=3', { ...HOST, username: 'u', password: 'p&q', database: 2 }],
  ['rediss://h:6380/1', { ...HOST, port: 6380, tls: true, database: 1 }],
  ['rediss://u:p@h?db=1', { ...HOST, tls: true, username: 'u', password: 'p', database: 1 }],
  ['/run/redis.sock', SOCKET],
  ['/run/100%.sock', { ...SOCKET, path: '/run/100%.sock' }],
  ['redis+unix:///run/redis.sock', SOCKET],
  ['redis+unix:///run/re%20dis.sock?db=3', { ...SOCKET, path: '/run/re dis.sock', database: 3 }],
  ['redis+unix:///run/redis.sock?password=p&username=u', { ...SOCKET, username: 'u', password: 'p' }],
  ['redis+unix://u:p@/run/redis.sock', { ...SOCKET, username: 'u', password: 'p' }],
  ['redis+sentinel://h1/main', SENTINEL],
  ['redis+sentinel://h1/main/3', { ...SENTINEL, database: 3 }],
  ['rediss+sentinel://h1/main/3', { ...SENTINEL, tls: true, database: 3 }],
  ['redis+sentinel://h1/main?db=3', { ...SENTINEL, database: 3 }],
  [
    'redis+sentinel://u:p@h1:1,[::1]:2,h3/main/4',
    {
      ...SENTINEL,
      sentinels: [
        { host: 'h1', port: 1 },
        { host: '::1', port: 2 },
        { host: 'h3', port: 26379 },
      ],
      username: 'u',
      password: 'p',
      database: 4,
    },
  ],
];

/** Each with what the message must name. */
const REFUSED: [string, RegExp][] = [
  ['h:6379', /redis:\/\/host\[:port\].* user:password@ stands before/],
  ['h', /redis:\/\//],
  ['http://h', /redis:\/\//],
  ['unix:///run/redis.sock', /redis\+unix:\/\/\/path/],
  ['redis:h', /redis:\/\//],
  ['redis://', /redis:\/\//],
  ['redis:///3', /redis:\/\//],
  ['redis://:p@/3', /redis:\/\//],
  ['redis://h,h2', /redis:\/\//],
  ['redis://h%41', /redis:\/\//],
  ['redis://[::1', /redis:\/\//],
  ['redis://::1', /redis:\/\//],
  ['redis://[h]', /redis:\/\//],
  ['redis://[fe80::1%eth0]', /%25/],
  [' redis://h', /no spaces/],
  ['redis://h\n', /no spaces/],
  ['redis://u:p p@h', /no spaces .* %20/],
  ['redis://h:', /port from 1 to 65535/],
  ['redis://h:0', /port/],
  ['redis://h:65536', /port/],
  ['redis://h:6379a', /port/],
  ['redis://h:0x50', /port/],
  ['redis://h/name', /number of a database/],
  ['redis://h/0x1', /number of a database/],
  ['redis://h/01', /number of a database/],
  ['redis://h/-1', /number of a database/],
  ['redis://h/1.5', /number of a database/],
  ['redis://h/1e1', /number of a database/],
  ['redis://h/%31', /number of a database/],
  ['redis://h/3/', /number of a database/],
  ['redis://h//', /number of a database/],
  ['redis://h//3', /number of a database/],
  ['redis://h/9999999999', /number of a database/],
  ['redis://h?db=x', /number of a database/],
  ['redis://h?db=', /value for db/],
  ['redis://h?db', /value for db/],
  ['redis://h/3?db=4', /the database once/],
  ['redis://h/3?db=3', /the database once/],
  ['redis://h?db=3&db=4', /expected db once/],
  ['redis://:p@h?password=q', /the password|expected password once/],
  ['redis://u:p@h?username=v', /expected username once/],
  ['redis://h?password=a+b', /%2B/],
  ['redis://h?protocol=2', /protocol=3/],
  ['redis://h?timeout=5', /parameter timeout is unknown; expected db, username, password, protocol/],
  ['rediss://h?ssl_cert_reqs=none', /parameter ssl_cert_reqs is unknown/],
  ['redis://h?DB=3', /parameter DB is unknown/],
  ['redis://h?&', /parameter behind the \? is unknown/],
  ['redis://h#3', /no #/],
  ['redis://h/3#', /no #/],
  ['redis://u:p#q@h', /no #/],
  ['redis://u:%zz@h', /%25/],
  ['redis://u:100%@h', /%25/],
  ['redis://u:%ff@h', /%25/],
  ['/', /redis:\/\//],
  ['/run/redis.sock?db=3', /redis\+unix:\/\/\/path\?db=/],
  ['/run/redis.sock#3', /redis\+unix/],
  ['redis+unix://', /redis\+unix:\/\/\/path/],
  ['redis+unix:///', /redis\+unix:\/\/\/path/],
  ['redis+unix://run/redis.sock', /no host/],
  ['redis+unix:///run/redis.sock?db=0x1', /number of a database/],
  ['redis+unix:///run/redis.sock?host=h', /parameter host is unknown/],
  ['redis+sentinel://h1', /service/],
  ['redis+sentinel://h1/', /service/],
  ['redis+sentinel://h1/main/', /number of a database/],
  ['redis+sentinel://h1/main/x', /number of a database/],
  ['redis+sentinel://h1/main/3?db=3', /the database once/],
  ['redis+sentinel://h1,/main', /redis:\/\//],
  ['redis+sentinel://h1:0/main', /port/],
  ['redis+sentinel://h1/main?sentinel_password=p', /parameter sentinel_password is unknown/],
];

describe('the address of a Redis', () => {
  for (const [text, expected] of OBEYED) {
    it(`is obeyed: ${text}`, () => expect(parseRedisUrl(text) satisfies RedisAddress).to.deep.equal(expected));
  }

  for (const [text, expected] of REFUSED) {
    it(`is refused: ${JSON.stringify(text)}`, () => {
      expect(() => parseRedisUrl(text))
        .to.throw(Mistake)
        .with.property('message')
        .that.matches(/^is no Redis: /)
        .and.matches(expected);
    });
  }

  it('never shows a part of a password when it is refused', () => {
    const unencoded = [
      'hun ter2',
      'hun#ter2',
      'hun?ter2',
      'hun/ter2',
      'hun%ter2',
      'hun?ter2=x',
      '1?hunter',
      '1/hunter',
    ];
    const texts = unencoded.flatMap((password) => [
      `redis://u:${password}@h/x`,
      `redis://u:${password}@h?x=y`,
      `redis+sentinel://u:${password}@h/main/x`,
      `redis://h/x?password=${password}`,
    ]);
    for (const text of texts) {
      expect(() => parseRedisUrl(text), text)
        .to.throw(Mistake)
        .with.property('message')
        .that.does.not.match(/xyzzy/);
    }
  });
});
