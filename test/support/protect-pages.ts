import { spawn } from 'node:child_process';
import { expect } from 'chai';
import { freePort } from './child.ts';
import { type Block, blocksOf, read } from './documents.ts';
import { startNginx } from './proxies.ts';

/** The blocks of a page about who may listen, by what they are written in. */
export class ProtectPage {
  readonly path: string;
  readonly blocks: Block[];

  constructor(name: string) {
    this.path = `docs/guides/protect/${name}.md`;
    this.blocks = blocksOf(read(this.path));
  }

  /** The block of this language that has this text. */
  block(language: string, having = ''): string {
    const found = this.blocks.find((block) => block.language === language && block.text.includes(having));
    if (!found) throw new Error(`${this.path} has no block of ${language} with ${JSON.stringify(having)}`);
    return found.text;
  }

  all(language: string): string[] {
    return this.blocks.filter((block) => block.language === language).map(({ text }) => text);
  }

  /** Runs each `curl` of the page: it has to print what stands below it, but for numbers. */
  async expectShown(places: Places, env: Record<string, string>): Promise<void> {
    const commands = this.all('sh').filter((text) => text.startsWith('curl'));
    const shown = this.all('text');
    expect(commands).to.have.length(shown.length);
    for (const [at, command] of commands.entries()) {
      expect(withoutNumbers(await curl(placed(command, places), env))).to.include(withoutNumbers(shown[at]!));
    }
  }

  /** The variables that the page starts a gateway with, but for its address. */
  variables(having = 'bin/sisyphus serve'): Record<string, string> {
    const pairs = [...this.block('sh', having).matchAll(/\b([A-Z_]+)=("[^"]*"|\S+)/g)];
    const all = pairs.map(([, name, value]) => [name!, value!.replaceAll('"', '')] as const);
    return Object.fromEntries(all.filter(([name]) => name !== 'HOST'));
  }
}

export interface Places {
  application: number;
  gateway: number;
  nginx?: number;
}

/** The text with the ports of a test in place of those of the documents. */
export function placed(text: string, { application, gateway, nginx }: Places): string {
  return text
    .replace(/(127\.0\.0\.1|localhost):3000/g, `127.0.0.1:${application}`)
    .replace(/(127\.0\.0\.1|localhost):3001/g, `127.0.0.1:${gateway}`)
    .replaceAll('http://localhost/', `http://127.0.0.1:${nginx}/`);
}

/** What the nginx of a page answers while no gateway does: a stream that ends, so that the browser comes back. */
export async function expectAway(
  locations: string,
  application: number,
  headers: Record<string, string>,
): Promise<void> {
  const gateway = await freePort();
  const nginx = await startNginx(0, placed(locations, { application, gateway }));
  try {
    for (const sent of [headers, {}]) {
      const response = await fetch(`http://127.0.0.1:${nginx.port}/stream`, { headers: sent });
      expect(response.status).to.equal(200);
      expect(response.headers.get('content-type')).to.match(/^text\/event-stream/);
      expect(await response.text()).to.equal('retry: 5000\n\n');
    }
  } finally {
    await nginx.stop();
  }
}

/** Ids and times differ each time. */
function withoutNumbers(text: string): string {
  return text.replace(/^(id|retry): \d+$/gm, '$1').replaceAll('\r', '');
}

/** What a `curl -N` of a page prints within a second or so. */
async function curl(command: string, env: Record<string, string>): Promise<string> {
  const text = command.replace('curl -', 'curl -sS --max-time 2 -');
  const child = spawn('bash', ['-c', text], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    printed += more;
    // An `ok` comes in one frame with its `retry:`, and nothing has to follow.
    if (printed.includes('\n\n')) child.kill();
  });
  await new Promise((resolve) => child.once('close', resolve));
  return printed;
}
