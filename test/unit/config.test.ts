import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import { type Config, ConfigError, loadConfig, settings, VARIABLES } from '../../src/config/config.ts';

type Texts = Record<string, string>;

function problemsOf(flags: Texts, env: Texts): string[] {
  try {
    loadConfig(flags, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const toPem = (key: KeyObject) =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const [RSA, PRIVATE] = [toPem(publicKey), toPem(privateKey)];
const SHORT_RSA = toPem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);

const VALID: [Texts, Partial<Config>][] = [
  [{}, { port: 3001, host: '127.0.0.1', redisUrl: undefined, noopInterval: 15_000, rawChannels: ['*:*'], workers: 1 }],
  [{}, { maxBuffer: 1_048_576, maxMessage: 262_144, drain: 10_000, redisGrace: 5_000, logLevel: 'info' }],
  [{}, { maxStreams: 10_000, maxStreamsPerUser: 20, origins: [], publishSecret: undefined, auth: 'open' }],
  [{}, { console: 'off', consoleSecret: undefined }],
  [
    { SISYPHUS_CONSOLE_SECRET: 'sixteen-letters.', SISYPHUS_PUBLISH_SECRET: 'sixteen-letters' },
    { console: 'secret', consoleSecret: 'sixteen-letters.' },
  ],
  [{}, { backlog: { length: 100, ttl: 86_400_000, rules: [] } }],
  [
    { PORT: '0', HOST: '::' },
    { port: 0, host: '::' },
  ],
  [{ SISYPHUS_NOOP_INTERVAL: '500ms' }, { noopInterval: 500 }],
  [
    { SISYPHUS_DRAIN: '0s', SISYPHUS_REDIS_GRACE: '2m' },
    { drain: 0, redisGrace: 120_000 },
  ],
  [{ SISYPHUS_MAX_MESSAGE: '1kb' }, { maxMessage: 1024 }],
  [
    { SISYPHUS_MAX_MESSAGE: '1000', SISYPHUS_MAX_BUFFER: '2MB' },
    { maxMessage: 1000, maxBuffer: 2_097_152 },
  ],
  [{ SISYPHUS_MAX_BUFFER: '64KB' }, { maxBuffer: 65_536, maxMessage: 65_536 }],
  [{ SISYPHUS_MAX_MESSAGE: '4MB' }, { maxBuffer: 4_194_304, maxMessage: 4_194_304 }],
  [{ SISYPHUS_RAW_CHANNELS: '' }, { rawChannels: [] }],
  [{ SISYPHUS_RAW_CHANNELS: 'room:*, user:[0-9]*' }, { rawChannels: ['room:*', 'user:[0-9]*'] }],
  [
    { SISYPHUS_ORIGINS: 'https://a.example,http://localhost:5173' },
    { origins: ['https://a.example', 'http://localhost:5173'] },
  ],
  [{ SISYPHUS_ORIGINS: 'capacitor://localhost' }, { origins: ['capacitor://localhost'] }],
  [{ SISYPHUS_URL: 'http://localhost:3001/' }, { url: 'http://localhost:3001' }],
  [{ REDIS_URL: 'redis://127.0.0.1' }, { redisUrl: 'redis://127.0.0.1' }],
  [{ REDIS_URL: 'rediss://u:p%40@r.example:6380/2' }, { redisUrl: 'rediss://u:p%40@r.example:6380/2' }],
  [{ REDIS_URL: '/run/redis.sock' }, { redisUrl: '/run/redis.sock' }],
  [{ REDIS_URL: 'redis+unix:///run/redis.sock?db=2' }, { redisUrl: 'redis+unix:///run/redis.sock?db=2' }],
  [{ REDIS_URL: 'redis+sentinel://h1:26379,h2:26379/main' }, { redisUrl: 'redis+sentinel://h1:26379,h2:26379/main' }],
  [{ REDIS_URL: 'redis+sentinel://u:p@h1:26379/main/3' }, { redisUrl: 'redis+sentinel://u:p@h1:26379/main/3' }],
  [{}, { namespace: undefined, keyPrefix: '' }],
  [{}, { adminPort: undefined, adminHost: '127.0.0.1' }],
  [
    { SISYPHUS_ADMIN_PORT: '9001', SISYPHUS_ADMIN_HOST: '::', SISYPHUS_AUTH: 'token' },
    { adminPort: 9001, adminHost: '::' },
  ],
  [
    { SISYPHUS_ADMIN_PORT: '9001', SISYPHUS_AUTH: 'token' },
    { host: '0.0.0.0', adminHost: '127.0.0.1' },
  ],
  [
    { SISYPHUS_ADMIN_PORT: '0', PORT: '0' },
    { adminPort: 0, port: 0 },
  ],
  [
    { SISYPHUS_NAMESPACE: 'Shop_1.a-b', SISYPHUS_KEY_PREFIX: 'laravel_database_' },
    { namespace: 'Shop_1.a-b', keyPrefix: 'laravel_database_' },
  ],
  [{ SISYPHUS_KEY_PREFIX: '{app}:' }, { keyPrefix: '{app}:' }],
  [{ SISYPHUS_COLLECTIONS: '' }, { collections: [] }],
  [
    {
      SISYPHUS_COLLECTIONS:
        '{"drivers":{"key":"driver_name","public":true},"users":{"key":"login","ttl":"30s","send":["s"]}}',
    },
    {
      publicChannels: ['collection:drivers'],
      collections: [
        {
          name: 'drivers',
          key: 'driver_name',
          isPublic: true,
          isDefault: false,
          send: [],
          receive: [],
          ttl: undefined,
        },
        { name: 'users', key: 'login', isPublic: false, isDefault: false, send: ['s'], receive: [], ttl: 30_000 },
      ],
    },
  ],
  [{ PATH: '/bin', NODE_ENV: 'production' }, { port: 3001 }],
];

/** Each with what the message must name: the value, and what would be right. */
const INVALID: [Texts, RegExp][] = [
  [{ PORT: '65536' }, /^PORT="65536" .*0 to 65535/],
  [{ PORT: '-1' }, /^PORT=/],
  [{ PORT: '0x50' }, /^PORT=/],
  [{ PORT: '' }, /^PORT is empty/],
  [{ SISYPHUS_ADMIN_PORT: '3001' }, /^SISYPHUS_ADMIN_PORT=3001 is PORT: expected another port/],
  [{ SISYPHUS_WORKERS: 'all' }, /^SISYPHUS_WORKERS="all" is not valid: expected auto, or a whole number from 1 to 256/],
  [{ SISYPHUS_ADMIN_PORT: 'x' }, /^SISYPHUS_ADMIN_PORT=/],
  [{ SISYPHUS_ADMIN_HOST: '0.0.0.0' }, /^SISYPHUS_ADMIN_HOST needs SISYPHUS_ADMIN_PORT: expected both/],
  [{ HOST: 'a b' }, /^HOST="a b" .*127\.0\.0\.1/],
  [{ REDIS_URL: '' }, /^REDIS_URL is empty/],
  [{ REDIS_URL: 'localhost:6379' }, /^REDIS_URL is no Redis: expected redis:\/\//],
  [{ REDIS_URL: 'http://localhost' }, /^REDIS_URL is no Redis/],
  [{ REDIS_URL: 'redis://h/name' }, /^REDIS_URL is no Redis/],
  [{ REDIS_URL: 'redis://' }, /^REDIS_URL is no Redis/],
  [{ REDIS_URL: 'redis+sentinel://h1:26379' }, /^REDIS_URL is no Redis/],
  [{ REDIS_URL: 'redis+unix://' }, /^REDIS_URL is no Redis/],
  [{ SISYPHUS_AUTH: 'none' }, /^SISYPHUS_AUTH="none" is not valid: expected one of open, header, /],
  [{ SISYPHUS_AUTH: 'header' }, /^SISYPHUS_AUTH=header needs SISYPHUS_TRUSTED_PROXIES or SISYPHUS_HEADER_SECRET/],
  [{ SISYPHUS_AUTH: 'header', SISYPHUS_TRUSTED_PROXIES: '' }, /^SISYPHUS_AUTH=header needs/],
  [{ SISYPHUS_AUTH: 'forward' }, /^SISYPHUS_AUTH=forward needs SISYPHUS_FORWARD_URL/],
  [{ SISYPHUS_AUTH: 'jwt' }, /^SISYPHUS_AUTH=jwt needs one of .*: none is set/],
  [
    { SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_SECRET: 'x', SISYPHUS_JWT_JWKS_URL: 'http://id/keys' },
    /SISYPHUS_JWT_SECRET and SISYPHUS_JWT_JWKS_URL are set/,
  ],
  [{ SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_SECRET: 'x', SISYPHUS_JWT_ALGORITHMS: 'HS256,RS256' }, /holds RS256, which/],
  [{ SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_KEY: RSA, SISYPHUS_JWT_ALGORITHMS: 'HS256' }, /holds HS256, which/],
  [{ SISYPHUS_AUTH: 'jwt', SISYPHUS_JWT_KEY: RSA, SISYPHUS_JWT_ALGORITHMS: 'ES256' }, /cannot verify: expected RS256/],
  [{ SISYPHUS_JWT_ALGORITHMS: 'none' }, /"none": expected some of HS256/],
  [{ SISYPHUS_JWT_KEY: '/no/such/file' }, /^SISYPHUS_JWT_KEY is no key, and no file/],
  [{ SISYPHUS_JWT_KEY: SHORT_RSA }, /^SISYPHUS_JWT_KEY is of an unknown kind: expected RSA with 2048/],
  [{ SISYPHUS_JWT_KEY: PRIVATE }, /^SISYPHUS_JWT_KEY is a private key: expected the public one/],
  [{ SISYPHUS_JWT_JWKS_URL: 'ftp://u:secret@id/keys' }, /^SISYPHUS_JWT_JWKS_URL is no address(?!.*secret)/],
  [{ SISYPHUS_JWT_USER_CLAIM: 'a b' }, /is no name of a claim/],
  [{ SISYPHUS_HEADER_USER: 'Cookie' }, /expected one that nothing else uses/],
  [{ SISYPHUS_COOKIE: 'a=b' }, /is no name of a cookie/],
  [{ SISYPHUS_TRUSTED_PROXIES: '10.0.0.0/33' }, /"10.0.0.0\/33": expected an address or a range/],
  [{ SISYPHUS_TRUSTED_PROXIES: 'proxy.example' }, /expected an address or a range/],
  [{ SISYPHUS_INBOX_URL: 'http://app/inbox' }, /^SISYPHUS_INBOX_URL needs SISYPHUS_PROTOCOLS=sock\.it: expected both/],
  ...(
    [
      ['x.json', /^SISYPHUS_COLLECTIONS cannot be read \(ENOENT\): expected the path of a file, or JSON such as \{/],
      ['{"drivers":', /^SISYPHUS_COLLECTIONS is no JSON: expected \{"drivers"/],
      ['[]', /^SISYPHUS_COLLECTIONS is no JSON object: expected/],
      ['{"a b":{"key":"k"}}', /collection "a b", which is no name: expected a letter/],
      ['{"__proto__":{"key":"k"}}', /collection "__proto__", which is no name/],
      ['{"revision":{"key":"k"}}', /collection "revision", which is no name: .* none of version, revision/],
      ['{"drivers":7}', /"drivers", which is no JSON object/],
      ['{"drivers":{}}', /"drivers", where key is not valid: expected the name of a member/],
      ['{"drivers":{"key":"__proto__"}}', /where key is not valid/],
      ['{"drivers":{"key":"k","ttl":30}}', /where ttl is not valid: expected a time from 100ms to 365d/],
      ['{"drivers":{"key":"k","ttl":"1y"}}', /where ttl is not valid/],
      ['{"drivers":{"key":"k","public":"yes"}}', /where public is not valid: expected true or false/],
      ['{"drivers":{"key":"k","send":["top secret"]}}', /^(?!.*top secret).*where send is not valid: expected a list/],
      [
        '{"drivers":{"key":"k","recieve":["x"]}}',
        /where "recieve" is unknown: expected key, public, send, receive, ttl/,
      ],
      [
        '{"a":{"key":"k","default":true},"b":{"key":"k","default":true}}',
        /has several defaults \(a, b\): expected one/,
      ],
    ] as [string, RegExp][]
  ).map(([text, expected]): [Texts, RegExp] => [{ SISYPHUS_COLLECTIONS: text }, expected]),
  [{ SISYPHUS_PROTOCOLS: 'rt,sse' }, /^SISYPHUS_PROTOCOLS="rt,sse" holds "sse": expected rt or sock.it or sync$/],
  [{ SISYPHUS_RIGHTS: 'credential' }, /^SISYPHUS_RIGHTS=credential needs SISYPHUS_AUTH=forward or jwt/],
  [{ SISYPHUS_MAX_STREAMS_PER_ADDRESS: '0' }, /is no limit: expected a whole number from 1/],
  [{ SISYPHUS_PUBLISH_SECRET: 'two words' }, /^SISYPHUS_PUBLISH_SECRET is no secret/],
  [
    { SISYPHUS_CONSOLE_SECRET: 'fifteen-letters' },
    /^SISYPHUS_CONSOLE_SECRET is too short: expected 16 characters or more/,
  ],
  [{ SISYPHUS_CONSOLE_SECRET: 'seventeen letters' }, /^SISYPHUS_CONSOLE_SECRET is no secret/],
  ...['sixteen-letters.', 'sixteen-letters.\n', 'jobs:sixteen-letters.', 'a:b\njobs:sixteen-letters.:room:*'].map(
    (text): [Texts, RegExp] => [
      { SISYPHUS_CONSOLE_SECRET: 'sixteen-letters.', SISYPHUS_PUBLISH_SECRET: text },
      /^SISYPHUS_CONSOLE_SECRET is a publish secret: expected one of its own$/,
    ],
  ),
  [{ SISYPHUS_NOOP_INTERVAL: '15' }, /="15" is no duration: .*15s/],
  [{ SISYPHUS_NOOP_INTERVAL: '0' }, /is no duration/],
  [{ SISYPHUS_NOOP_INTERVAL: '1.5s' }, /is no duration/],
  [{ SISYPHUS_NOOP_INTERVAL: '15 s' }, /is no duration/],
  [{ SISYPHUS_NOOP_INTERVAL: '0s' }, /out of bounds: expected 10ms to 24h/],
  [{ SISYPHUS_DRAIN: '25h' }, /out of bounds: expected 0s to 24h/],
  [{ SISYPHUS_BACKLOG_TTL: 'day' }, /is no duration/],
  [{ SISYPHUS_BACKLOG_LENGTH: '0' }, /1 to 1000000/],
  [{ SISYPHUS_BACKLOG_RULES: 'room:*' }, /holds "room:\*": expected pattern=length/],
  [{ SISYPHUS_BACKLOG_RULES: 'room:*=x' }, /pattern=length/],
  [{ SISYPHUS_BACKLOG_RULES: 'a:*=1,,b:*=2' }, /pattern=length/],
  [{ SISYPHUS_RAW_CHANNELS: 'sisyphus:*' }, /gateway's own/],
  [{ SISYPHUS_RAW_CHANNELS: 'a b' }, /expected a pattern of Redis/],
  [{ SISYPHUS_NAMESPACE: '' }, /^SISYPHUS_NAMESPACE is empty/],
  [{ SISYPHUS_NAMESPACE: 'a b' }, /is no namespace: expected 1 to 64/],
  [{ SISYPHUS_NAMESPACE: '{0}' }, /is no namespace/],
  [{ SISYPHUS_NAMESPACE: 'a'.repeat(65) }, /is no namespace/],
  [{ SISYPHUS_KEY_PREFIX: 'app*' }, /is no prefix: expected 1 to 64/],
  [{ SISYPHUS_KEY_PREFIX: 'a b:' }, /is no prefix/],
  [{ SISYPHUS_KEY_PREFIX: 'sisyphus:{0}:' }, /gateway's own/],
  [{ SISYPHUS_RAW_CHANNELS: 'room:[1-5' }, /opens a set that is not closed: expected a \]/],
  [{ SISYPHUS_BACKLOG_RULES: 'room:[a\\]=3' }, /opens a set that is not closed/],
  [{ SISYPHUS_BACKLOG_RULES: 'a:*=1,room:[1-5=3' }, /"room:\[1-5": \[ opens a set/],
  [{ SISYPHUS_MAX_STREAMS: '0' }, /whole number/],
  [{ SISYPHUS_MAX_MESSAGE: '1 MB' }, /is no size: .*256KB/],
  [{ SISYPHUS_MAX_MESSAGE: '1XB' }, /is no size/],
  [{ SISYPHUS_MAX_MESSAGE: '1GB' }, /out of bounds: expected 1B to 64MB/],
  [
    { SISYPHUS_MAX_BUFFER: '256KB', SISYPHUS_MAX_MESSAGE: '1MB' },
    /^SISYPHUS_MAX_BUFFER=256KB is less .*: expected SISYPHUS_MAX_BUFFER=1MB or more/,
  ],
  [{ SISYPHUS_ORIGINS: '*' }, /without \*/],
  [{ SISYPHUS_ORIGINS: 'https://*.example.com' }, /without \*/],
  [{ SISYPHUS_ORIGINS: 'null' }, /scheme:\/\/host/],
  [{ SISYPHUS_ORIGINS: 'app.example.com' }, /scheme:\/\/host/],
  [{ SISYPHUS_ORIGINS: 'https://app.example.com/' }, /: expected https:\/\/app\.example\.com$/],
  [{ SISYPHUS_ORIGINS: 'https://App.example.com:443' }, /: expected https:\/\/app\.example\.com$/],
  [{ SISYPHUS_WORKERS: '0' }, /1 to 256/],
  [{ SISYPHUS_LOG_LEVEL: 'verbose' }, /expected one of fatal, error/],
  [{ SISYPHUS_URL: 'localhost:3001' }, /^SISYPHUS_URL is no gateway/],
  [{ SISYPHUS_NOP_INTERVAL: '15s' }, /^SISYPHUS_NOP_INTERVAL is unknown: SISYPHUS_NOOP_INTERVAL/],
  [{ sisyphus_drain: '1s' }, /^sisyphus_drain is unknown: SISYPHUS_DRAIN/],
  [{ SISYPHUS_REDIS_URL: 'redis://h' }, /^SISYPHUS_REDIS_URL is unknown: REDIS_URL/],
  [{ SISYPHUS_PORTT: '1' }, /^SISYPHUS_PORTT is unknown: PORT/],
];

describe('configuration', () => {
  for (const [env, expected] of VALID) {
    it(`takes ${JSON.stringify(env)}`, () => expect(loadConfig({}, env)).to.deep.include(expected));
  }

  for (const [env, expected] of INVALID) {
    it(`refuses ${JSON.stringify(env)}`, () => {
      const problems = problemsOf({}, env);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(expected);
    });
  }

  it('reads rules in their order', () => {
    const { backlog } = loadConfig({}, { SISYPHUS_BACKLOG_RULES: 'sticker:*=1, room:*=500' });
    expect(backlog.rules).to.deep.equal([
      { pattern: 'sticker:*', length: 1 },
      { pattern: 'room:*', length: 500 },
    ]);
  });

  it('listens for everybody by default once clients have to say who they are', () => {
    expect(settings({}, {}).get('HOST')!.text).to.equal('127.0.0.1');
    expect(settings({}, { SISYPHUS_AUTH: 'jwt' }).get('HOST')!.text).to.equal('0.0.0.0');
    expect(settings({}, { SISYPHUS_AUTH: 'jwt', HOST: '::1' }).get('HOST')!.text).to.equal('::1');
  });

  it('lets a flag win over the environment, and names the flag when it is wrong', () => {
    expect(loadConfig({ port: '4000' }, { PORT: '5000' }).port).to.equal(4000);
    expect(loadConfig({ port: '4000' }, { PORT: 'wrong' }).port).to.equal(4000);
    expect(problemsOf({ port: 'x' }, {})[0]).to.match(/^--port="x"/);
    expect(problemsOf({ prot: '1' }, {})[0]).to.match(/^--prot is unknown: --port/);
  });

  it('names all mistakes at once, contradictions too', () => {
    const env = {
      PORT: 'x',
      SISYPHUS_DRAIN: '1',
      SISYPHUS_X: '',
      SISYPHUS_MAX_BUFFER: '1KB',
      SISYPHUS_MAX_MESSAGE: '1MB',
    };
    expect(problemsOf({}, env)).to.have.length(4);
  });

  it('never shows a password', () => {
    const env = {
      REDIS_URL: 'rediz://u:hunter2@h',
      SISYPHUS_PUBLISH_SECRET: 'hunter2 ',
      SISYPHUS_URL: 'http://u:hunter2@h',
    };
    expect(problemsOf({}, env)).to.have.length(3);
    expect(problemsOf({}, env).join()).not.to.contain('hunter2');
  });

  it('has a flag of its own for each variable, and a default that it would accept', () => {
    expect(new Set(VARIABLES.map(({ flag }) => flag)).size).to.equal(VARIABLES.length);
    const defaults = VARIABLES.filter((variable) => (variable.default as string) !== 'none');
    const env = Object.fromEntries(defaults.map((variable) => [variable.name, variable.default]));
    expect(loadConfig({}, env)).to.deep.equal(loadConfig({}, {}));
  });
});
