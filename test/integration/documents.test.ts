import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { BlockRunner, commandsIn } from '../support/block-runner.ts';
import { codeWithClient, FakeBrowser } from '../support/browser-blocks.ts';
import { Child } from '../support/child.ts';
import { type Block, blocksOf, filesBelow, plain, ROOT, read, table } from '../support/documents.ts';
import { PUBLISH_SECRET } from '../support/publisher.ts';
import { eventually } from '../support/wait.ts';
import { startWorld, type World } from '../support/world.ts';

const BIN = process.env.TEST_GATEWAY ?? join(ROOT, 'bin/sisyphus');
/** Pages whose blocks need gateways of their own. Tests with these names run them. */
const WITH_OWN_TEST: Record<string, string> = {
  'docs/start/tutorial.md': 'integration/examples',
  'docs/guides/many-tabs.md': 'browser/client-tabs',
  'docs/guides/page-and-stream.md': 'integration/page-and-stream',
  'docs/guides/react.md': 'browser/client-shapes',
  'docs/guides/protect/header.md': 'integration/protect-header',
  'docs/guides/protect/nginx.md': 'integration/protect-header',
  'docs/guides/protect/forward.md': 'integration/protect-forward',
  'docs/guides/protect/jwt.md': 'integration/protect-jwt',
};
const PAGES = ['README.md', ...filesBelow('docs/start', '.md'), ...filesBelow('docs/guides', '.md')].filter(
  (page) => WITH_OWN_TEST[page] === undefined,
);
/** Their blocks run, too. */
const OTHERS = ['docs/run/redis.md', 'docs/trouble/by-symptom.md'];

/** Blocks that do not run here, by how they begin, and why not. */
const NOT_RUN = [
  { begins: 'bin/dev     # installs', why: 'it builds what other tests run at the moment, and runs all tests' },
  { begins: 'bin/dev\n', why: 'the same; its last line, bin/sisyphus serve --demo, has a test of its own below' },
  {
    begins: `<script type="module">\n  import { Sisyphus } from '/client.js';\n  import { collection }`,
    why: 'it needs a page: test/browser/client-shapes.test.ts',
  },
  { begins: 'npm ci && npm run build', why: 'it takes away what the tests run with' },
  { begins: 'node examples/page.mjs', why: 'it needs a port of its own; the test of the examples opens the page' },
];
/** Pages that the tests of the examples open. */
const PAGES_OF_EXAMPLES = filesBelow('examples', '.html');
/** No client of these is installed: their commands are sent to Redis by another one. */
const COMMANDS_ONLY = ['ruby', 'python', 'php'];
/** A picture. */
const NO_LANGUAGE = '';
/** How long it may take until a page's output is there (ms). */
const SHOWN = 10_000;
/** More than a message may have: readers get a reset. */
const OVERSIZE = 'x'.repeat(300 * 1024);

describe('the blocks of the documents', function () {
  this.timeout(30_000);
  let world: World;
  let runner: BlockRunner;
  let browsers: FakeBrowser[];
  const notRun = new Set<string>();
  let published = 0;

  before(async () => {
    world = await startWorld();
    await world.allow('1', 'room:1', 'room:2');
  });
  after(() => world?.stop());

  beforeEach(async () => {
    browsers = [];
    await world.allow('7', 'room:918');
    await world.publish.fcall('user:7', 'you may see room 918');
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', HOST: '127.0.0.1', SISYPHUS_DRAIN: '0s' };
    const own = { REDIS_URL: world.redis.url, SISYPHUS_PUBLISH_SECRET: PUBLISH_SECRET };
    runner = new BlockRunner({ gateway: world.gateway.port, redis: world.redis.port }, { ...env, ...own });
  });
  afterEach(async () => {
    for (const browser of browsers) browser.close();
    await runner.stop();
  });

  for (const page of [...PAGES, ...OTHERS]) {
    if (blocksOf(read(page)).length === 0) continue;
    it(`of ${page} run`, async () => {
      for (const block of blocksOf(read(page))) {
        const reason = NOT_RUN.find(({ begins }) => block.text.startsWith(begins));
        if (reason) notRun.add(reason.begins);
        else await run(block).catch((error: Error) => expect.fail(`${page}:${block.line}: ${error.message}`));
      }
    });
  }

  it('are left out for a reason only if they are there', () => {
    expect([...notRun]).to.have.members(NOT_RUN.map(({ begins }) => begins));
  });

  it('of pages that need gateways of their own have a test of their own', () => {
    for (const [page, name] of Object.entries(WITH_OWN_TEST)) {
      expect(read(`test/${name}.test.ts`)).to.include(page.split('/').at(-1)!.replace('.md', ''));
    }
  });

  it('that are typed beside bin/dev are what it prints', async () => {
    expect(read('bin/dev')).to.match(/^exec bin\/sisyphus serve --demo$/m);
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', SISYPHUS_LOG_LEVEL: 'warn' };
    const demo = new Child(BIN, ['serve', '--demo'], { env: { ...env, HOST: '127.0.0.1', SISYPHUS_DRAIN: '0s' } });
    try {
      await eventually(() => demo.stdout.includes('Ctrl-C'), 15_000);
      const printed = demo.stdout
        .replace(/redis-cli -p \d+/g, 'redis-cli -p <port>')
        .replace(/redis:\/\/127\.0\.0\.1:\d+/g, 'redis://127.0.0.1:<port>')
        .replace(/localhost:\d+/g, 'localhost:3001');
      for (const page of ['README.md', 'docs/start/quickstart.md']) {
        const blocks = blocksOf(read(page)).filter(({ text }) => /^(curl -N|redis-cli -p <port>)/.test(text));
        const lines = blocks.slice(0, 2).flatMap(({ text }) => text.trim().split('\n'));
        expect(lines).to.have.length(4);
        for (const line of lines) expect(printed).to.include(`  ${line}\n`);
      }
    } finally {
      await demo.end();
    }
  });

  it('leave no key in Redis that the reference does not have', async () => {
    const patterns = table('docs/reference/keys-in-redis.md', 'key').map(([key]) => plain(key!));
    const expressions = patterns.map((key) => new RegExp(`^${key.replace(/[{}]/g, '\\$&').replace(/<\w+>/g, '.+')}$`));
    const keys = await world.client.keys('*');
    expect(keys.length).to.be.above(10);
    expect(keys.filter((key) => !expressions.some((expression) => expression.test(key)))).to.deep.equal([]);
  });

  it('see on /status what the page about it has', async () => {
    const status = (await world.gateway.status()) as Record<string, unknown>;
    const { counters, ...others } = status;
    const members = [...Object.keys(others), ...Object.keys(counters as object).map((name) => `counters.${name}`)];
    const cells = table('docs/run/health-and-status.md', 'member').map(([cell]) => cell!);
    expect(cells.flatMap((cell) => plain(cell).split(', '))).to.have.members(members);
  });

  async function run(block: Block): Promise<void> {
    const { language, text } = block;
    if (PAGES_OF_EXAMPLES.some((path) => read(path) === text)) return;
    const page = codeWithClient(block);
    if (page !== undefined) await runInBrowser(runner.rewrite(page));
    else if (language === 'sh') await runner.shell(block);
    else if (language === 'text') await expectShown(block);
    else if (language === 'js' && text.startsWith('import ')) await runner.node(block);
    else if (language === 'js') await runInBrowser(text);
    else if (language === 'ts') await runTypeScript(text);
    else if (COMMANDS_ONLY.includes(language)) await sendCommands(text);
    else if (language !== NO_LANGUAGE) throw new Error(`there is nothing here that runs ${language}`);
  }

  async function expectShown(block: Block): Promise<void> {
    await eventually(() => runner.shows(block), SHOWN).catch(() => {
      throw new Error(`not printed:\n${block.text}\nbut:\n${runner.outputs.join('\n---\n')}`);
    });
  }

  async function sendCommands(text: string): Promise<void> {
    const commands = commandsIn(text);
    expect(commands).to.have.length(2);
    for (const [name, ...args] of commands) {
      const answer = await world.client.call(name!, ...args);
      if (name === 'FCALL') expect(answer).to.have.length(2);
    }
  }

  /** A page that reads is given a message, and one that is told of resets a reset. */
  async function runInBrowser(text: string): Promise<void> {
    const browser = newBrowser();
    await browser.run(text);
    const reads = /onmessage|'message'|'(comment)'|\.channel\(/.exec(text);
    if (reads) await expectRead(browser, reads[1]);
    if (/'reset'/.test(text)) {
      await readAfter(browser, 'room:918', () => world.client.publish('room:918', OVERSIZE));
    }
  }

  function newBrowser(): FakeBrowser {
    const browser = new FakeBrowser(world.gateway.url);
    browsers.push(browser);
    return browser;
  }

  async function expectRead(browser: FakeBrowser, event: string | undefined): Promise<void> {
    const message = `hello ${++published}`;
    await readAfter(browser, message, () => world.publish.fcall('room:918', `<message>${message}</message>`, event));
  }

  /** The page may still be about to connect: it is done again until the page has told its application. */
  async function readAfter(browser: FakeBrowser, text: string, publish: () => Promise<unknown>): Promise<void> {
    const isRead = async (): Promise<boolean> => {
      await publish();
      return browser.calls.some(({ args }) => JSON.stringify(args).includes(text));
    };
    await eventually(isRead, SHOWN, 100);
  }

  async function runTypeScript(text: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'sisyphus-documents-'));
    const { EventSource: before } = globalThis;
    const browser = newBrowser();
    try {
      const file = join(folder, 'page.ts');
      await writeFile(file, text);
      await mkdir(join(folder, 'node_modules'));
      await symlink(ROOT, join(folder, 'node_modules/sisyphus-gateway'));
      const flags =
        '--ignoreConfig --noEmit --strict --skipLibCheck --target es2023 --module esnext --moduleResolution bundler --lib es2023,dom --types'.split(
          ' ',
        );
      const check = new Child(join(ROOT, 'node_modules/.bin/tsc'), [...flags, '', file]);
      expect(await check.exited, check.output()).to.have.property('code', 0);
      // An address that is relative is so to the gateway.
      Object.assign(globalThis, { EventSource: browser.EventSource, location: { href: world.gateway.url } });
      const { follow } = await import(pathToFileURL(file).href);
      const take = (...args: unknown[]): number => browser.calls.push({ name: 'follow', args });
      const stop = follow('7', take, take);
      await readAfter(browser, '{"text":"typed"}', () => world.publish.fcall('room:918', '{"text":"typed"}'));
      await readAfter(browser, 'oversize', () => world.client.publish('room:918', OVERSIZE));
      stop();
    } finally {
      Object.assign(globalThis, { EventSource: before, location: undefined });
      await rm(folder, { recursive: true });
    }
  }
});
