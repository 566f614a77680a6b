import { expect } from 'chai';
import { VARIABLES } from '../../src/config/variables.ts';
import { FakeGateway, runCommand } from '../support/command-line.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const VERSION = /^sisyphus \d+\.\d+\.\d+\n$/;

describe('the command line', () => {
  it('tells its commands, every variable and every flag', async () => {
    const { code, stdout } = await runCommand(['--help']);
    expect(code).to.equal(0);
    for (const { name, flag } of VARIABLES) expect(stdout).to.contain(name).and.to.contain(`--${flag} `);
    for (const name of ['serve', 'publish', 'grant', 'revoke', 'tail', 'check-config'])
      expect(stdout).to.contain(`  ${name} `);
    expect((await runCommand(['--version'])).stdout).to.match(VERSION);
  });

  it('tells the options of one command, and the variables that it reads', async () => {
    for (const args of [
      ['status', '--help'],
      ['status', '-h'],
      ['help', 'status'],
    ]) {
      const { code, stdout } = await runCommand(args);
      expect([code, stdout.split('\n')[0]]).to.deep.equal([0, 'Usage: bin/sisyphus status [--flags]']);
      expect(stdout).to.contain('--gateways').and.contain('SISYPHUS_URL').and.not.contain('SISYPHUS_MAX_STREAMS');
    }
    expect((await runCommand(['serve', '--help'])).stdout)
      .to.contain('--demo')
      .and.contain('SISYPHUS_MAX_STREAMS');
  });

  const WRONG: [string[], RegExp][] = [
    [[], /a command is missing: serve, publish/],
    [['publsh'], /"publsh" is no command: publish may be meant/],
    [['serve', '--prot', '1'], /'--prot': --port may be meant/],
    [['publsh', '--help'], /"publsh" is no command: publish may be meant/],
    [['help', 'bogus'], /"bogus" is no command/],
    [
      ['history', 'room:1', '--limit', '-1'],
      /'--limit' argument is ambiguous: expected a value that does not begin with -/,
    ],
    [['tail', '7', '--user', '2'], /--user stands beside an argument, which is the user too: expected one of them/],
    [['status', '--gateways', 'nonsense'], /--gateways: "nonsense" is no gateway: expected http:\/\/host/],
    [['bogus'], /"bogus" is no command: bin\/sisyphus --help has all$/m],
    [['status', '--bogus'], /'--bogus': bin\/sisyphus status --help has all, or --/],
    [['why', '--user', '7'], /expected bin\/sisyphus why --user <user> --channel <channel>$/m],
    [['ping', '--access-token', 'x'], /expected bin\/sisyphus ping <user>, with the user of the credential/],
    [
      ['rights', '7', '--redis-url', 'http://x'],
      /is no Redis: expected redis:\/\/host\[:port\]\[\/db\], .* user:password@/,
    ],
    [['serve', 'now'], /too many: expected bin\/sisyphus serve$/m],
    [['serve', '--port', 'x'], /--port="x"/],
    [['serve', '--port'], /'--port <value>' argument missing/],
    [['publish'], /missing: expected bin\/sisyphus publish <channel> \[data\|-\]/],
    [['publish', 'room 1', 'x'], /channel "room 1"/],
    [['publish', 'room:1', 'x', '--event', 'reset'], /event "reset"/],
    [['publish', 'room:1', 'x'], /name a Redis .* or a gateway/],
    [['publish', 'room:1', '-5'], /'-5': -- before a text that begins with -/],
    [['publish', 'room:1', 'x', '--url', 'http://127.0.0.1:9'], /needs SISYPHUS_PUBLISH_SECRET/],
    [['publish', 'room:1', 'x', '--url', 'localhost'], /--url is no gateway/],
    [['grant', '1:channels', 'room:1'], /user "1:channels"/],
    [['revoke', '1'], /revoke <user> <channel>/],
    [['tail', 'a b'], /user "a b"/],
    [['tail', '1', '--since', 'yesterday'], /--since takes a number/],
    [['check-config', '--drain', '5'], /--drain="5" is no duration/],
  ];

  for (const [args, expected] of WRONG) {
    it(`ends with 2 and a line: ${args.join(' ') || 'nothing'}`, async () => {
      const { code, stdout, stderr } = await runCommand(args);
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr)
        .to.match(expected)
        .and.to.match(/^sisyphus: [^\n]*\n$/);
    });
  }

  it('says all mistakes of a configuration, a line each', async () => {
    const { code, stderr } = await runCommand(['check-config'], {
      env: { PORT: 'x', SISYPHUS_DRAIN: '1', SISYPHUS_NO: '' },
    });
    expect(code).to.equal(2);
    expect(stderr.trim().split('\n')).to.have.length(3);
  });

  it('shows what serve would use and from where, without secrets', async () => {
    const secrets = { REDIS_URL: 'redis://u:hunter2@h', SISYPHUS_PUBLISH_SECRET: 'hunter2' };
    const env = { ...secrets, SISYPHUS_MAX_BUFFER: '64KB', PORT: '0' };
    const { code, stdout } = await runCommand(['check-config', '--drain', '2s'], { env });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^SISYPHUS_DRAIN +2s +flag$/m);
    expect(stdout).to.match(/^SISYPHUS_MAX_MESSAGE +64KB +default$/m);
    expect(stdout).to.match(/^REDIS_URL +redis:\/\/\*\*\*@h +environment$/m);
    expect(stdout).not.to.contain('hunter2');
  });

  const ADDRESSES: [string, string][] = [
    ['redis://h/?password=hunter2', 'redis://h/?password=***'],
    ['redis://h/?db=3&sentinelPassword=hunter2', 'redis://h/?db=3&sentinelPassword=***'],
    ['rediss://:hunter2@h/2?access_token=hunter2', 'rediss://***@h/2?access_token=***'],
    ['redis+sentinel://u:hunter2@h1:1,h2:2/main/3', 'redis+sentinel://***@h1:1,h2:2/main/3'],
    ['redis+unix:///run/redis.sock?password=hunter2', 'redis+unix:///run/redis.sock?password=***'],
    ['/run/redis.sock?password=hunter2', '/run/redis.sock?password=***'],
  ];

  for (const [url, shown] of ADDRESSES) {
    it(`shows ${shown} of such an address, or refuses it without the password`, async () => {
      const { code, stdout, stderr } = await runCommand(['check-config'], { env: { REDIS_URL: url, PORT: '0' } });
      expect(stdout + stderr).not.to.contain('hunter2');
      if (code === 0) expect(stdout).to.contain(`${shown} `);
      else expect(stderr).to.match(/^sisyphus: REDIS_URL is /);
    });
  }

  it('refuses an address of Redis that serve could not read', async () => {
    const env = { REDIS_URL: 'redis://u:%zz@h', PORT: '0' };
    const { code, stdout, stderr } = await runCommand(['check-config'], { env });
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.match(/^sisyphus: REDIS_URL[^\n]*\n$/);
  });

  it('quotes no password when something is wrong with an address', async () => {
    const env = { SISYPHUS_URL: 'http://:hunter2@127.0.0.1:9', SISYPHUS_PUBLISH_SECRET: 's' };
    const { code, stderr } = await runCommand(['publish', 'room:1', 'x'], { env });
    expect(code).to.equal(2);
    expect(stderr).to.match(/^sisyphus: SISYPHUS_URL is no gateway/);
    expect(stderr).not.to.contain('hunter2');
  });
});

describe('publishing from the command line over HTTP', () => {
  let gateway: FakeGateway;
  let url: string;
  let status: number;
  let answer: string;

  beforeEach(async () => {
    status = 200;
    answer = '{"channel":"room:1","id":"1795206467123456","revision":12}';
    gateway = new FakeGateway((_request, response) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(answer);
    });
    url = await gateway.start();
  });

  afterEach(() => gateway.stop());

  const env = () => ({ SISYPHUS_URL: url, SISYPHUS_PUBLISH_SECRET: 's3cret', PORT: 'meant for another program' });

  it('prints id and revision', async () => {
    const result = await runCommand(['publish', 'room:1', 'hé\n', '--event', 'opened'], { env: env() });
    expect(result).to.deep.equal({ code: 0, stdout: '1795206467123456 12\n', stderr: '' });
    const [{ method, path, headers, body }] = gateway.requests;
    expect(`${method} ${path} ${headers.authorization}`).to.equal('POST /publish Bearer s3cret');
    expect(JSON.parse(body)).to.deep.equal({ channel: 'room:1', data: 'hé\n', event: 'opened' });
  });

  it('reads standard input as it is, where data is - or left out', async () => {
    for (const args of [
      ['publish', 'room:1', '-'],
      ['publish', 'room:1'],
    ]) {
      expect((await runCommand(args, { env: env(), stdin: ' line\n\n' })).code).to.equal(0);
      expect(JSON.parse(gateway.requests.at(-1)!.body).data).to.equal(' line\n\n');
    }
    const broken = await runCommand(['publish', 'room:1'], { env: env(), stdin: Buffer.from([0xff]) });
    expect(broken).to.include({ code: 2, stdout: '' });
    expect(broken.stderr).to.contain('UTF-8');
  });

  it('grants and revokes', async () => {
    await runCommand(['grant', '7', 'room:1', 'welcome'], { env: env() });
    await runCommand(['revoke', '7', 'room:1'], { env: env() });
    expect(gateway.requests.map(({ path, body }) => [path, JSON.parse(body)])).to.deep.equal([
      ['/grant', { user: '7', channel: 'room:1', data: 'welcome' }],
      ['/revoke', { user: '7', channel: 'room:1' }],
    ]);
  });

  it('ends with 1 and what the gateway said, when it refuses', async () => {
    status = 403;
    answer = '{"error":"publishing_off","message":"publishing is off"}';
    const { code, stderr } = await runCommand(['publish', 'room:1', 'x'], { env: env() });
    expect(code).to.equal(1);
    expect(stderr).to.equal(`sisyphus: ${url}/publish answered 403: publishing is off\n`);
  });

  it('ends with 1 where no gateway is', async () => {
    answer = '<html>hello</html>';
    expect((await runCommand(['publish', 'room:1', 'x'], { env: env() })).stderr).to.contain('answered 200: "<html>');
    await gateway.stop();
    const { code, stderr } = await runCommand(['publish', 'room:1', 'x'], { env: env() });
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^sisyphus: cannot reach http:\/\/127\.0\.0\.1:\d+\/publish \(connect ECONNREFUSED [^\n]*\)\n$/,
    );
    gateway = new FakeGateway(() => {});
    await gateway.start();
  });

  it('goes to the gateway of --url, although REDIS_URL is set', async () => {
    const both = { REDIS_URL: 'redis://127.0.0.1:9', SISYPHUS_PUBLISH_SECRET: 's3cret' };
    expect((await runCommand(['publish', 'room:1', 'x', '--url', url], { env: both })).code).to.equal(0);
    expect(gateway.requests).to.have.length(1);
  });
});

describe('publishing from the command line over Redis', () => {
  let redis: RedisServer;

  before(async () => {
    redis = await startRedis();
  });

  after(() => redis.stop());

  it('records, grants and revokes while no gateway runs', async () => {
    const env = { REDIS_URL: redis.url };
    const first = await runCommand(['publish', 'room:1', 'x'], { env });
    const second = await runCommand(['publish', 'room:1', '-', '--event', 'e'], { env, stdin: 'y' });
    expect(first.stderr + second.stderr).to.equal('');
    expect(first.stdout).to.match(/^\d{16} 1\n$/);
    expect(second.stdout).to.match(/^\d{16} 2\n$/);
    const client = redis.client();
    expect((await runCommand(['grant', '7', 'room:1'], { env })).stdout).to.match(/^\d{16} 1\n$/);
    expect(await client.smembers('user:7:channels')).to.deep.equal(['room:1']);
    expect((await runCommand(['revoke', '7', 'room:1'], { env })).stdout).to.match(/^\d{16} 2\n$/);
    expect(await client.exists('user:7:channels')).to.equal(0);
  });

  it('does so in the namespace and the database that are named, also where functions are gone', async () => {
    const client = redis.client({ db: 3 });
    await client.call('FUNCTION', 'FLUSH');
    const env = { REDIS_URL: `${redis.url}/3`, SISYPHUS_NAMESPACE: 'shop' };
    expect((await runCommand(['publish', 'room:1', 'x'], { env })).stdout).to.match(/^\d{16} 1\n$/);
    const flags = ['--redis-url', `${redis.url}?db=3`, '--namespace', 'blog'];
    expect((await runCommand(['publish', 'room:1', 'x', ...flags])).stdout).to.match(/^\d{16} 1\n$/);
    expect((await client.keys('*:clock')).sort()).to.deep.equal(['sisyphus:{blog:0}:clock', 'sisyphus:{shop:0}:clock']);
    const wrong = await runCommand(['publish', 'room:1', 'x'], { env: { ...env, SISYPHUS_NAMESPACE: 'a:b' } });
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.match(/^sisyphus: SISYPHUS_NAMESPACE="a:b" is no namespace: expected 1 to 64 of /);
  });

  it('ends with 1 within seconds where no Redis is', async () => {
    const { code, stderr } = await runCommand(['publish', 'room:1', 'x', '--redis-url', 'redis://127.0.0.1:9']);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^sisyphus: cannot reach Redis within 2 s \([^\n]*\)\n$/);
  });
});
