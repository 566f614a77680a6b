import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BlockRunner } from '../support/block-runner.ts';
import type { Child } from '../support/child.ts';
import { type Block, blocksOf, filesBelow, read, table } from '../support/documents.ts';
import { commandsOf, Example } from '../support/examples.ts';
import { eventually } from '../support/wait.ts';

const TUTORIAL = 'docs/start/tutorial.md';
/** How long it may take until a page's output is there (ms). */
const SHOWN = 10_000;

const withoutBlankLines = (text: string): string => text.replace(/\n{2,}/g, '\n');
const linesIn = (file: string): number => read(file).trimEnd().split('\n').length;

describe('the tutorial', function () {
  this.timeout(60_000);
  let example: Example;
  let runner: BlockRunner;

  beforeEach(() => {
    example = new Example();
  });
  afterEach(async () => {
    await runner?.stop();
    await example.stop();
  });

  it('can be done step by step, and ends with the example', async () => {
    const steps = read(TUTORIAL)
      .split(/^## (?=\d\. )/m)
      .slice(1);
    expect(steps).to.have.length(8);
    const [gateway] = blocksOf(steps[0]!);
    await example.startGateway(gateway!.text);
    mkdirSync(join(example.folder, 'chat'));
    runner = new BlockRunner({ gateway: example.gateway, redis: 0 }, process.env);
    const written = { js: '', html: '' };
    let server: Child | undefined;
    for (const step of steps.slice(1)) {
      const blocks = blocksOf(step);
      for (const { language, text } of blocks) if (language === 'js' || language === 'html') written[language] += text;
      if (blocks.some(({ language }) => language === 'js')) server = await restart(server, written.js);
      for (const block of blocks) await run(block);
    }
    expect(withoutBlankLines(written.js)).to.equal(withoutBlankLines(read('examples/chat/server.mjs')));
    expect(written.html).to.equal(read('examples/chat/index.html'));
  });

  /** What `node --watch` does. */
  async function restart(server: Child | undefined, text: string): Promise<Child> {
    await server?.end();
    writeFileSync(join(example.folder, 'chat/server.mjs'), example.placed(text));
    const child = example.start('cd chat\nnode server.mjs');
    await example.listening(child);
    return child;
  }

  async function run(block: Block): Promise<void> {
    const text = example.placed(block.text).replace(/\b(ann|bob)\.cookie\b/g, join(example.folder, '$1.cookie'));
    if (block.language === 'sh' && !/^node --watch/m.test(text)) await runner.shell({ ...block, text });
    if (block.language !== 'text') return;
    await eventually(() => runner.shows(block), SHOWN).catch(() => {
      throw new Error(
        `${TUTORIAL}:${block.line}: not printed:\n${block.text}\nbut:\n${runner.outputs.join('\n---\n')}`,
      );
    });
  }
});

describe('each example', () => {
  const pages = filesBelow('examples', 'README.md').filter((page) => page !== 'examples/README.md');

  it('has a page with the commands for the gateway and for the application, and is in the list', () => {
    const listed = table('examples/README.md', 'example').map(([cell]) => /\((.*)\)/.exec(cell!)![1]);
    expect(listed.sort()).to.have.members([...pages.map((page) => page.replace('examples/', '')), 'hello.html']);
    for (const page of pages) {
      const [gateway, application] = commandsOf(page);
      expect(gateway, page).to.match(/ bin\/dev$/);
      expect(application, page).to.match(/^cd examples\/[\w-]+$|^node /m);
    }
  });

  it('of a chat has 45 lines for the server and 25 for the page at most', () => {
    const [server, page] = [linesIn('examples/chat/server.mjs'), linesIn('examples/chat/index.html')];
    expect(server).to.be.at.most(45);
    expect(page).to.be.at.most(25);
    expect(read('examples/README.md')).to.include(`in ${server} and ${page} lines`);
    expect(read(TUTORIAL)).to.include(`has ${server} lines in the end, and the page ${page}`);
  });
});
