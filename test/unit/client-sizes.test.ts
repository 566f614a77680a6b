import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { buildSync } from 'esbuild';
import { plain, read, table } from '../support/documents.ts';

const CLIENT = fileURLToPath(new URL('../../src/client', import.meta.url));
const KB = 1024;
/** The most bytes of each entry, minified and compressed. Those that are not there yet have their limit already. */
const LIMITS: Record<string, number> = {
  client: 2.5 * KB,
  tabs: 1.5 * KB,
  poll: 1 * KB,
  collection: 1 * KB,
  react: 1 * KB,
  rt: 3 * KB,
  sock: 3 * KB,
};

const fileOf = (entry: string): string | undefined =>
  [`${entry}.ts`, `${entry}.tsx`].map((name) => join(CLIENT, name)).find((path) => existsSync(path));
const entries = Object.keys(LIMITS).filter((entry) => fileOf(entry) !== undefined);

/** What an entry may import. The hooks leave the collection out for pages that do not need it. */
const OUTSIDE: Record<string, string[]> = { react: ['react', './collection.js'] };

/** As bin/build does. */
function build(entry: string): string {
  const { outputFiles } = buildSync({
    entryPoints: [fileOf(entry)!],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['react', '*/collection.js'],
    write: false,
    outdir: 'x',
  });
  return outputFiles[0]!.text;
}

describe('the parts of the client', () => {
  for (const entry of entries) {
    it(`${entry} is small, imports nothing but what it may`, () => {
      const code = build(entry);
      const { length } = gzipSync(code, { level: 9 });
      expect(length, `${entry} has ${length} bytes`).to.be.at.most(LIMITS[entry]!);
      const imports = [...code.matchAll(/(?:from|import)\s*\(?"([^"]+)"/g)].map(([, name]) => name!);
      expect(imports).to.have.members(OUTSIDE[entry] ?? []);
      // The code of the core, by one of its texts.
      if (entry !== 'client') expect(code).not.to.include('no EventSource here');
    });
  }

  it('are built, served and documented under the same names, with their sizes', () => {
    const list = Object.keys(LIMITS);
    expect(read('bin/build')).to.include(`for entry in ${list.join(' ')}; do`);
    expect(read('src/http/routes/client.ts')).to.include(`[${list.map((entry) => `'${entry}'`).join(', ')}]`);
    expect(entries).to.include.members(['client', 'poll']);
    const rows = table('docs/guides/client.md', 'part').map((cells) => [plain(cells[0]!), cells.at(-1)]);
    const expected = Object.entries(LIMITS).map(([entry, bytes]) => [
      entry === 'client' ? entry : `client/${entry}`,
      `${bytes / KB} kB`,
    ]);
    expect(rows).to.deep.equal(expected);
  });
});
