import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { blocksOf, read } from '../support/documents.ts';
import { isAtHand, type Recipe, type RenderedPage, runDjango, runExpress, runRails } from '../support/page-recipes.ts';
import { startWorld, type World } from '../support/world.ts';

const PAGE = 'docs/guides/page-and-stream.md';
const CHANNEL = 'room:918';

interface Framework {
  name: string;
  language: string;
  /** `undefined`: it runs in this process. */
  program?: string;
  run: Recipe;
}

const FRAMEWORKS: Framework[] = [
  { name: 'Rails', language: 'ruby', program: 'ruby', run: runRails },
  { name: 'Django', language: 'python', program: 'python3', run: runDjango },
  { name: 'Express', language: 'js', run: runExpress },
];

function codeFor(language: string): string {
  const blocks = blocksOf(read(PAGE)).filter((block) => block.language === language);
  expect(blocks, language).to.have.length(1);
  return blocks[0]!.text;
}

/** The line that reads the position, and the one that reads the database. */
function stepsOf(code: string): [string, string] {
  const lines = code.split('\n');
  const position = lines.find((line) => line.includes('/position'));
  const comments = lines.find((line) => /comments = /.test(line));
  if (position === undefined || comments === undefined) throw new Error(`no such lines in\n${code}`);
  return [position, comments];
}

/** The database first. */
function reversed(code: string): string {
  const [position, comments] = stepsOf(code);
  return code
    .replace(position, () => '<later>')
    .replace(comments, () => position)
    .replace('<later>', () => comments);
}

describe('a page that is rendered with its position, as docs/guides/page-and-stream.md has it', function () {
  this.timeout(30_000);
  let world: World;
  let server: Server;
  let url: string;
  /** The rows of the database, and those that are published and not committed yet. */
  let committed: string[];
  let pending: string[];
  let written: string[];
  let publishesFirst: boolean;

  before(async () => {
    world = await startWorld();
    await world.allow('7', CHANNEL);
    // Somebody writes before and after each step of the application, which is the worst that can happen between them.
    server = createServer(async (request, response) => {
      await write();
      const answer = request.url === '/position' ? await position() : JSON.stringify(committed);
      if (request.url === '/comments') committed.push(...pending.splice(0));
      await write();
      response.end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(async () => {
    server?.close();
    await world?.stop();
  });

  beforeEach(() => {
    [committed, pending, written, publishesFirst] = [[], [], [], false];
  });
  afterEach(() => world.closeStreams());

  async function position(): Promise<string> {
    return (await fetch(`${world.gateway.url}/position`)).text();
  }

  async function write(): Promise<void> {
    const text = `comment ${written.push('')}`;
    written[written.length - 1] = text;
    (publishesFirst ? pending : committed).push(text);
    await world.publish.fcall(CHANNEL, text);
  }

  function render(framework: Framework, change = (code: string): string => code): Promise<RenderedPage> {
    return framework.run(change(codeFor(framework.language)).replaceAll('http://127.0.0.1:3001', url), url);
  }

  /** What a reader of the page has not got, neither with it nor on its stream. */
  async function missingOf({ comments, stream: path }: RenderedPage): Promise<string[]> {
    await write();
    const last = written.at(-1);
    const paths = [path, path.replace(/c=[^&]*&/, '')].map((one) => `${one}&user=7`);
    const [byName, ofUser] = await Promise.all(
      paths.map(async (one) => {
        const stream = await world.openOk({ path: one });
        await stream.until(({ messages }) => messages.at(-1)?.data === last);
        return stream.messages.map(({ data }) => data);
      }),
    );
    expect(byName).to.deep.equal(ofUser);
    return written.filter((text) => !comments.includes(text) && !byName!.includes(text));
  }

  for (const framework of FRAMEWORKS) {
    const { name, language, program } = framework;
    if (program !== undefined && !isAtHand(program)) {
      it(`${name}: reads the position before the database (${program} is not at hand)`, () => {
        const code = codeFor(language);
        const [first, second] = stepsOf(code).map((line) => code.indexOf(line));
        expect(first).to.be.below(second!);
      });
      continue;
    }

    it(`${name}: has everything, in the page or on its stream`, async () => {
      const page = await render(framework);
      expect(page.comments).not.to.deep.equal([]);
      expect(page.stream).to.match(/^\/stream\?c=room:918&since=\d{16}$/);
      expect(await missingOf(page)).to.deep.equal([]);
      expect(written).to.have.length(5);
    });

    it(`${name}: loses what is written between data and position if it reads the data first`, async () => {
      const page = await render(framework, reversed);
      expect(await missingOf(page)).to.deep.equal(['comment 2', 'comment 3']);
    });
  }

  it('loses what is published before it is committed', async () => {
    publishesFirst = true;
    const page = await render(FRAMEWORKS.at(-1)!);
    expect(await missingOf(page)).to.deep.equal(['comment 1']);
  });
});
