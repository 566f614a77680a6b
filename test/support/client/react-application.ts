import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { type BuildOptions, build } from 'esbuild';
import { Child } from '../child.ts';
import { blocksOf, ROOT, read } from '../documents.ts';

const PACKAGES = ['react', 'react-dom', '@types'];
const TYPES = {
  noEmit: true,
  strict: true,
  noUnusedLocals: true,
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable'],
  module: 'esnext',
  moduleResolution: 'bundler',
  jsx: 'react-jsx',
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  types: [],
};

/** The application of a guide in a folder of its own, which has the package as its users have it. */
export class ReactApplication {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sisyphus-react-'));
  readonly #names: string[];

  /** @param others files that the guide leaves to the reader */
  constructor(guide: string, others: Record<string, string>, change: (text: string) => string) {
    const blocks = blocksOf(read(guide)).map(({ text }) => [/^\/\/ (\S+)\n/.exec(text)![1]!, change(text)]);
    const files = { ...Object.fromEntries(blocks), ...others } as Record<string, string>;
    this.#names = Object.keys(files);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.#folder, name), text);
    mkdirSync(join(this.#folder, 'node_modules'));
    symlinkSync(ROOT, join(this.#folder, 'node_modules/sisyphus-gateway'));
    for (const name of PACKAGES)
      symlinkSync(join(ROOT, 'node_modules', name), join(this.#folder, 'node_modules', name));
  }

  async check(): Promise<void> {
    const files = [...this.#names, join(ROOT, 'test/support/untyped.d.ts')];
    const config = join(this.#folder, 'tsconfig.json');
    writeFileSync(config, JSON.stringify({ compilerOptions: TYPES, files }));
    const check = new Child(join(ROOT, 'node_modules/.bin/tsc'), ['-p', config]);
    expect(await check.exited, check.output()).to.have.property('code', 0);
  }

  /** The code of a file for the browser. */
  bundle(name: string): Promise<string> {
    return this.#build(name, { platform: 'browser', define: { 'process.env.NODE_ENV': '"development"' } });
  }

  /** What a file exports, here. */
  async load<Exports>(name: string): Promise<Exports> {
    const file = join(this.#folder, `${name}.mjs`);
    writeFileSync(file, await this.#build(name, { platform: 'node', packages: 'external' }));
    return (await import(pathToFileURL(file).href)) as Exports;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  async #build(name: string, options: BuildOptions): Promise<string> {
    const entryPoints = [join(this.#folder, name)];
    const given = { ...options, entryPoints, bundle: true, write: false, format: 'esm', jsx: 'automatic' } as const;
    const { outputFiles } = await build(given);
    return outputFiles[0]!.text;
  }
}
