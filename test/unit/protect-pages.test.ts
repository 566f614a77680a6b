import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { plain, table } from '../support/documents.ts';
import { ProtectPage } from '../support/protect-pages.ts';

const LANGUAGES = { Rails: 'ruby', Django: 'python', Laravel: 'php', Express: 'js' };
const MODES = ['header', 'forward', 'jwt'];

/** The first block of a language that is for the application, and not for the page in the browser. */
function example(mode: string, language: string): string {
  return new ProtectPage(mode).block(language, language === 'js' ? 'app.' : '');
}

/** Lines that are typed: no blank ones, no comments. */
function lines(text: string): number {
  return text.split('\n').filter((line) => /^\s*[^\s#/]/.test(line)).length;
}

describe('the guides for who may listen', () => {
  it('say how many lines each framework takes', () => {
    const rows = table('docs/guides/protect/README.md', 'lines for');
    const expected = MODES.map((mode) => {
      const counts = Object.values(LANGUAGES).map((language) => String(lines(example(mode, language))));
      return [mode, ...counts, String(lines(new ProtectPage(mode).block('nginx')))];
    });
    expect(rows.map((row) => row.map((cell) => plain(cell).replace(/^\[|\].*$/g, '')))).to.deep.equal(expected);
  });

  it('have no name of a header, a location or a variable that only one framework has', () => {
    for (const mode of MODES) {
      const names = Object.values(LANGUAGES).map((language) => {
        const found = example(mode, language).match(
          /X-[\w-]+|@sisyphus|SISYPHUS_\w+|\/?(?:sisyphus\/)?(?:whoami|stream-token)/g,
        );
        return [...new Set(found?.map((name) => name.replace(/^\/?(sisyphus\/)?/, '')))].sort();
      });
      for (const others of names) expect(others, mode).to.deep.equal(names[0]);
    }
  });

  it('have Python that compiles', function () {
    if (spawnSync('python3', ['--version']).status !== 0) this.skip();
    for (const mode of MODES) {
      const code = 'import sys; compile(sys.stdin.read(), "urls.py", "exec")';
      const { status, stderr } = spawnSync('python3', ['-c', code], {
        input: example(mode, 'python'),
        encoding: 'utf8',
      });
      expect(status, stderr).to.equal(0);
    }
  });
});
