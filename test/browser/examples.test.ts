import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { blocksOf, ROOT, read } from '../support/documents.ts';
import { commandsOf, Example } from '../support/examples.ts';
import { eventually } from '../support/wait.ts';

/** Packages of the Express example, kept from run to run. */
const EXPRESS = join(ROOT, 'node_modules/.cache/example-express');

function works(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** An example, and whether what it needs is here. */
interface Found {
  name: string;
  is: boolean;
}

/** Installs it, unless an earlier run has. */
function hasExpress(): boolean {
  const [wanted, installed] = [join(ROOT, 'examples/express/package.json'), join(EXPRESS, 'package.json')];
  const isThere = existsSync(join(EXPRESS, 'node_modules/express')) && existsSync(installed);
  if (isThere && readFileSync(installed, 'utf8') === readFileSync(wanted, 'utf8')) return true;
  mkdirSync(EXPRESS, { recursive: true });
  cpSync(wanted, installed);
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0', '--fetch-timeout=5000'];
  return spawnSync('npm', args, { cwd: EXPRESS, stdio: 'ignore', timeout: 30_000 }).status === 0;
}

/** The first Python that has what the example needs: another one may be in front of Debian's on the PATH. */
const flask = ['python3', '/usr/bin/python3'].find((program) => works(program, '-c', 'import flask, redis'));

/** The applications that look alike: a log-in, a field, and a list of what was said. */
const LOG_INS: Found[] = [
  { name: 'python', is: flask !== undefined },
  { name: 'ruby', is: works('ruby', '-e', 'require "sinatra/base"; require "redis"; require "jwt"') },
  { name: 'php', is: works('php', '--version') },
  { name: 'express', is: hasExpress() },
];

const INITIAL_STATE = { name: 'initial-state', is: works('python3', '--version') };
const BOARD = { name: 'board', is: existsSync(join(ROOT, 'src/client/collection.ts')) };

describe('the examples', function () {
  this.timeout(60_000);
  let browser: Browser;
  let example: Example;
  const stops: (() => Promise<unknown>)[] = [];

  before(async () => {
    browser = await launchChromium();
    const missing = [...LOG_INS, INITIAL_STATE, BOARD].filter(({ is }) => !is).map(({ name }) => name);
    if (missing.length > 0) console.log(`    not run, because what they need is not here: ${missing.join(', ')}`);
  });
  after(() => browser?.close());

  beforeEach(() => {
    example = new Example();
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    await example.stop();
  });

  /** The gateway and the application, as the page of the example says. */
  async function begin(name: string): Promise<void> {
    const [gateway, application] = commandsOf(`examples/${name}/README.md`);
    const programs = name === 'python' ? { python3: flask! } : {};
    await example.startGateway(gateway!, async () => {
      const packages = join(example.folder, 'examples/express/node_modules');
      if (name === 'express') symlinkSync(join(EXPRESS, 'node_modules'), packages);
      await example.listening(example.start(application!, programs));
    });
  }

  /** A browser of its own. @param prepare what is done before the page is opened */
  async function open(path = '/', prepare?: (context: BrowserContext) => Promise<unknown>): Promise<Page> {
    const context = await browser.newContext();
    stops.push(() => context.close());
    const page = await context.newPage();
    await prepare?.(context);
    await page.goto(example.address + path);
    return page;
  }

  const titled = (page: Page, title: RegExp): Promise<unknown> =>
    eventually(async () => expect(await page.title()).to.match(title), 10_000);

  const shows = (page: Page, text: string): Promise<unknown> =>
    eventually(async () => expect(await page.innerText('body')).to.include(text), 10_000);

  async function say(page: Page, text: string, button = 'say'): Promise<void> {
    await page.fill('[name=text]', text);
    await page.click(`[value=${button}]`);
  }

  for (const { name } of LOG_INS.filter(({ is }) => is)) {
    it(`in ${name}: a message of one reader reaches the other, and nobody who is not logged in`, async () => {
      await begin(name);
      const [ann, bob] = [await open('/login?name=ann'), await open('/login?name=bob')];
      const nobody = await open('/', async (context) => {
        const madeUp = ['session', 'sisyphus'].map((name) => ({ name, value: 'made-up', url: example.address }));
        await context.addCookies(madeUp);
      });
      for (const page of [ann, bob]) await titled(page, /^ok$/);
      await titled(nobody, /^(missing|malformed)$/);
      await say(ann, 'hello');
      for (const page of [ann, bob]) await shows(page, 'ann: hello');
      expect(await nobody.innerText('body')).not.to.include('hello');
    });
  }

  /** A page as the quickstart serves it. */
  async function serve(file: string): Promise<Page> {
    const [command] = blocksOf(read('docs/start/quickstart.md')).filter(({ text }) => text.includes('page.mjs'));
    await example.listening(example.start(command!.text.trim().replace('hello.html', file)));
    return open();
  }

  /** A command that the gateway has printed, for another channel. */
  function publish(channel: string, change = (command: string): string => command): void {
    const [printed] = /bin\/sisyphus publish .*/.exec(example.printed)!;
    const command = change(printed.replace('room:1', channel));
    expect(spawnSync('bash', ['-c', command], { cwd: ROOT }).status, command).to.equal(0);
  }

  it('in hello.html: what is published for the user of the demo is shown, by the commands of the quickstart', async () => {
    await example.startGateway('bin/dev');
    const page = await serve('examples/hello.html');
    await shows(page, 'ok');
    publish('room:1');
    await shows(page, 'room:1: {"message":"hello"}');
  });

  it('in the README: ten lines load a state, and get what is published behind it', async () => {
    await example.startGateway('bin/dev');
    publish('room:918', (command) => command.replace('publish', 'grant').replace(/room:918.*/, '7 room:918'));
    const [block] = blocksOf(read('README.md')).filter(({ language }) => language === 'html');
    const own = `for (const name of ['show', 'readRoom', 'render', 'append'])
      window[name] = async (...args) => document.body.append(name + JSON.stringify(args));`;
    const code = block!.text.replace(/'(\/(?:client\.js|stream))'/g, `'http://localhost:${example.gateway}$1'`);
    writeFileSync(join(example.folder, 'readme.html'), `<!doctype html><body><script>${own}</script>${code}`);
    const page = await serve('readme.html');
    await shows(page, 'render');
    publish('room:918');
    await shows(page, 'append[{"message":"hello"}]');
    await shows(page, 'show["ok",null]');
  });

  if (BOARD.is)
    it('in board: drivers appear, and their laps rise', async () => {
      await begin('board');
      const page = await open();
      await titled(page, /^ok$/);
      example.start(commandsOf('examples/board/README.md')[2]!);
      await shows(page, 'Dee');
      await eventually(async () => expect(await page.locator('td').allInnerTexts()).to.include('3'), 15_000);
      expect(await page.locator('tr').count()).to.equal(4);
    });

  if (INITIAL_STATE.is)
    it('in initial-state: the page has what was said before, and goes on from there', async () => {
      await begin('initial-state');
      await say(await open(), '<b>first</b>');
      // Something is said when the page has its state, and is not yet about to open its stream.
      const page = await open('/', (context) =>
        context.route('**/client.js', async (route) => {
          await fetch(example.address, { method: 'POST', body: new URLSearchParams({ text: 'between' }) });
          await route.continue();
        }),
      );
      await titled(page, /^ok$/);
      await shows(page, 'between');
      await say(page, 'last');
      await shows(page, 'last');
      const lines = await page.locator('li').allInnerTexts();
      expect(lines).to.deep.equal(['<b>first</b>', 'between', 'last']);
    });

  it('in chat: rooms have rights, a history, and no holes', async () => {
    await begin('chat');
    const [ann, bob] = [await open('/login?name=ann'), await open('/login?name=bob')];
    const [{ name, value }] = await ann.context().cookies();
    const cookie = `${name}=${value}`;
    await titled(ann, /^ann in lobby: ok$/);
    await titled(bob, /^bob in lobby: ok$/);
    const linesOf = async (page: Page) => (await page.innerText('pre')).split('\n').filter((line) => line !== '');
    const has = (page: Page, lines: string[]): Promise<unknown> =>
      eventually(async () => expect(await linesOf(page)).to.deep.equal(lines), 15_000);

    await say(ann, '', 'join');
    await say(ann, 'alone');
    await has(ann, ['ann: alone']);
    await say(bob, 'not in the room');
    await say(bob, '', 'join');
    // Bob has not joined when it was said, and reads it in the history.
    await has(bob, ['ann: alone']);
    await say(bob, 'here I am');
    for (const page of [ann, bob]) await has(page, ['ann: alone', 'bob: here I am']);

    example.line!.refusing = true;
    example.line!.cutAll('reset');
    const missed = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    for (const text of missed) {
      const { status } = await fetch(`${example.address}/say?${new URLSearchParams({ room: 'lobby', text })}`, {
        method: 'POST',
        headers: { cookie },
      });
      expect(status).to.equal(200);
    }
    await titled(bob, /: error$/);
    expect(await linesOf(bob)).to.have.length(2);
    example.line!.refusing = false;
    const all = ['ann: alone', 'bob: here I am', ...missed.map((text) => `ann: ${text}`)];
    for (const page of [ann, bob]) await has(page, all);
    await bob.reload();
    await has(bob, all);

    await say(bob, '', 'leave');
    const isOut = async () => (await (await bob.request.get(`${example.address}/messages?room=lobby`)).text()) === '[]';
    await eventually(isOut);
    await say(ann, 'bob has gone');
    await has(ann, [...all, 'ann: bob has gone']);
    await has(bob, all);

    const office = await bob.context().newPage();
    await office.goto(`${example.address}/?room=office`);
    const refused = office.waitForResponse((response) => response.url().includes('/join'));
    await office.click('[value=join]');
    expect((await refused).status()).to.equal(400);
  });
});
