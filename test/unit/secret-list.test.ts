import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { secretFor } from '../../src/cli/publisher.ts';
import { rereading } from '../../src/cli/reread.ts';
import { loadConfig } from '../../src/config/config.ts';
import {
  makeDemoSecret,
  parseSecretList,
  readSecretFile,
  type SecretList,
  shownSecret,
} from '../../src/config/secret-list.ts';
import { Mistake } from '../../src/config/values.ts';
import { PublishSecrets } from '../../src/publish-secrets.ts';
import { runCommand } from '../support/command-line.ts';

/** Each secret as `name text patterns`. */
function read(text: string): string[] {
  return parseSecretList(text).secrets.map(({ name, text, channels }) =>
    `${name} ${text} ${channels?.join(',') ?? 'all'}`.trim(),
  );
}

function problemOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Mistake) return error.message;
    throw error;
  }
  throw new Error('no mistake');
}

describe('a list of publish secrets', () => {
  it('shows the secret of a demo that the demo has made, and no other', () => {
    const made = makeDemoSecret();
    expect(shownSecret(made)).to.equal(made.text);
    for (const text of ['demo-secret', 'change-me', `${made.text}x`, `mine:${made.text}`]) {
      expect(shownSecret(parseSecretList(text)), text).to.equal(undefined);
    }
    expect(shownSecret(undefined)).to.equal(undefined);
  });

  const LISTS: [string, string[]][] = [
    ['s3cret', ['default s3cret all']],
    ['#s3cret', ['default #s3cret all']],
    ['s3cret\n', ['default s3cret all']],
    ['# old\r\n\r\n  web:one \r\n', ['web one all']],
    ['web:one\nworker:two:room:*, user:[0-9]*', ['web one all', 'worker two room:*,user:[0-9]*']],
    ['web:one\n', ['web one all']],
    ['web:s3cret:room:*', ['web s3cret room:*']],
  ];
  for (const [text, expected] of LISTS) {
    it(`reads ${JSON.stringify(text)}`, () => expect(read(text)).to.deep.equal(expected));
  }

  it('takes a value of one line with a colon as a whole, as before there were names, and also without its name', () => {
    expect(read('web:s3cret')).to.deep.equal(['web web:s3cret all', 'web s3cret all']);
    // What is behind the colon is too short, or the text has no name or no patterns.
    for (const text of ['web:12345', '+:s3cret', 'abc:s3cret:', 'abc:s3cret:xyz', ':s3cret', 'a::b'])
      expect(read(text)).to.deep.equal([`default ${text} all`]);
  });

  it('never takes the whole of a limited secret, which would be a way around its limits', () => {
    const secrets = new PublishSecrets(parseSecretList('web:s3cret:room:*'));
    expect(secrets.find('web:s3cret:room:*')).to.equal(undefined);
    expect(secrets.find('s3cret')!.allows('user:7')).to.equal(false);
  });

  const WRONG: [string, RegExp][] = [
    ['', /^is no secret: expected 1 to 512/],
    ['two words', /^is no secret/],
    ['\n# nothing\n', /^has no secret: expected name:secret/],
    ['web:hunter2\n\nhunter2\n', /^is no list of secrets: line 3 has no colon: expected name:secret/],
    ['web:hunter2\nhunter 2:x\n', /line 2 has no valid name: expected 1 to 64 of/],
    ['web:hunter2\nb:hunter 2', /line 2 has no valid secret: expected 1 to 512/],
    ['web:hunter2\nb::room:*', /line 2 has no valid secret/],
    ['web:hunter2\nb:hunter3:', /line 2 has no valid patterns: expected patterns of Redis/],
    ['web:hunter2\nb:hunter3:hunter[', /line 2 has no valid patterns/],
    ['web:hunter2\nb:hunter3:sisyphus:*', /line 2 has no valid patterns/],
    ['web:hunter2\n#\nweb:hunter3', /lines 1 and 3 have the same name/],
    ['web:hunter2\nb:hunter2', /lines 1 and 2 have the same secret/],
    ['hunter2\nhunter 3', /line 1 has no colon: .*; line 2 has no colon/],
    [Array.from({ length: 101 }, (_, i) => `a${i}:hunter${i}`).join('\n'), /^has 101 secrets: expected up to 100/],
  ];
  for (const [text, expected] of WRONG) {
    it(`says what is wrong, and never the secret: ${JSON.stringify(text.slice(0, 40))}`, () => {
      const problem = problemOf(() => parseSecretList(text));
      expect(problem).to.match(expected).and.not.to.contain('hunter');
    });
  }

  it('is read again from its own text with the same result, as workers do', () => {
    const name = fc.stringMatching(/^[a-z]{1,5}$/);
    const text = fc.stringMatching(/^[!-9;-~]{1,12}$/);
    const patterns = fc.constantFrom('', ':room:*', ':user:*,room:1');
    const line = fc.tuple(name, text, patterns).map(([a, b, c]) => `${a}:${b}${c}`);
    fc.assert(
      fc.property(fc.array(line), fc.boolean(), (lines, isList) => {
        let list: SecretList;
        try {
          list = parseSecretList(lines.join('\n') + (isList ? '\n' : ''));
        } catch (error) {
          expect(error).to.be.instanceOf(Mistake);
          return;
        }
        expect(parseSecretList(list.text)).to.deep.equal(list);
      }),
    );
  });
});

describe('a file of publish secrets', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sisyphus-test-'));
    path = join(folder, 'secrets');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('that has the secret of the console is not read again', () => {
    const [lines, used] = [[] as unknown[], [] as unknown[]];
    const write = (fields: unknown): void => void lines.push(fields);
    writeFileSync(path, 'a:b\n');
    const config = loadConfig({}, { SISYPHUS_PUBLISH_SECRET_FILE: path, SISYPHUS_CONSOLE_SECRET: 'sixteen-letters.' });
    const readers = { useSecrets: (list: SecretList) => void used.push(list), useCertificates: () => {} };
    const reread = rereading(config, { flags: {}, env: {} }, { info: write, error: write } as never, readers)!;
    writeFileSync(path, 'a:b\njobs:sixteen-letters.\n');
    reread();
    expect(used).to.deep.equal([]);
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include({ event: 'publish_secrets_kept' });
    expect(JSON.stringify(lines)).not.to.include('sixteen');
    writeFileSync(path, 'a:b\njobs:another\n');
    reread();
    expect(used).to.have.length(1);
  });

  const namesOf = (content: string): string[] => {
    writeFileSync(path, content);
    return readSecretFile(path).list.secrets.map(({ name, text }) => `${name} ${text}`);
  };

  it('holds a secret a line, or one alone', () => {
    expect(namesOf('s3cret')).to.deep.equal(['default s3cret']);
    expect(namesOf('\uFEFFweb:s3cret')).to.deep.equal(['web s3cret']);
    expect(namesOf('web:one\nb:two:room:*\n')).to.deep.equal(['web one', 'b two']);
  });

  it('is named in what is wrong with it, and not quoted', () => {
    const problems = (file: string): string => {
      try {
        loadConfig({}, { SISYPHUS_PUBLISH_SECRET_FILE: file });
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };
    const said = `SISYPHUS_PUBLISH_SECRET_FILE=${JSON.stringify(path)}`;
    expect(problems(path)).to.equal(`${said} cannot be read (ENOENT): expected a file with name:secret in each line`);
    expect(problems(folder)).to.match(/ is no file: expected/);
    writeFileSync(path, '');
    expect(problems(path)).to.equal(`${said} has no secret: expected name:secret, one a line`);
    writeFileSync(path, `a:${'x'.repeat(70_000)}`);
    expect(problems(path)).to.match(/ has 70002 bytes: expected up to 65536$/);
    writeFileSync(path, 'a:hunter2\nhunter3\n');
    expect(problems(path))
      .to.match(/ is no list of secrets: line 2 has no colon/)
      .and.not.to.contain('hunter');
  });

  it('and a secret in a variable cannot both count, but a flag wins over the environment', () => {
    writeFileSync(path, 'web:s3cret');
    const [one, file] = [{ SISYPHUS_PUBLISH_SECRET: 'plain' }, { SISYPHUS_PUBLISH_SECRET_FILE: path }];
    expect(() => loadConfig({}, { ...one, ...file })).to.throw(/are set: expected one of them/);
    const byFlag = loadConfig({ 'publish-secret': 'flagged' }, file);
    expect([byFlag.publishSecret?.text, byFlag.publishSecretFile]).to.deep.equal(['flagged', undefined]);
    const byFile = loadConfig({ 'publish-secret-file': path }, one);
    expect([byFile.publishSecret?.text, byFile.publishSecretFile]).to.deep.equal(['web:s3cret\n', path]);
  });
});

describe('the publish secrets in force', () => {
  it('are found by their text alone, and say which channels they allow', () => {
    const secrets = new PublishSecrets(parseSecretList('web:one\nworker:two:room:*,user:[0-9]*\n'));
    expect(secrets.find('one')!.allows('anything')).to.equal(true);
    const worker = secrets.find('two')!;
    expect(worker.name).to.equal('worker');
    expect(['room:1', 'user:7', 'user:x', 'rooms:1'].map(worker.allows)).to.deep.equal([true, true, false, false]);
    for (const text of ['', 'on', 'one ', 'web', 'web:one', 'two:room:*'])
      expect(secrets.find(text), text).to.equal(undefined);
    expect(secrets.isEmpty).to.equal(false);
  });

  it('are replaced as a whole', () => {
    const secrets = new PublishSecrets(undefined);
    expect(secrets.isEmpty).to.equal(true);
    secrets.use(parseSecretList('a:one\nb:two'));
    secrets.use(parseSecretList('b:three\n'));
    expect(['one', 'two', 'three'].map((text) => secrets.find(text)?.name)).to.deep.equal([undefined, undefined, 'b']);
  });
});

describe('publish secrets on the command line', () => {
  it('are never shown by check-config, even if one looks like an address', async () => {
    const env = { REDIS_URL: 'redis://u:hunter2@h', PORT: '0', SISYPHUS_PUBLISH_SECRET: '/hunter2://hunter2' };
    const { code, stdout, stderr } = await runCommand(['check-config'], { env });
    expect([code, `${stdout}${stderr}`.includes('hunter2')]).to.deep.equal([0, false]);
    expect(stdout).to.match(/^SISYPHUS_PUBLISH_SECRET +\*{3} +environment$/m);
    expect(stdout).to.match(/^REDIS_URL +redis:\/\/\*\*\*@h +environment$/m);
  });

  it('are sent as their text: of several, the first that may publish there', () => {
    const list = parseSecretList('jobs:one:room:*,user:*\nweb:two\n');
    expect(secretFor(list, ['user:5', 'room:1'])).to.equal('one');
    expect(secretFor(list, ['user:5', 'folder:1'])).to.equal('two');
    expect(secretFor(parseSecretList('jobs:s3cret:room:*'), ['folder:1'])).to.equal('s3cret');
    expect(secretFor(parseSecretList('web:s3cret'), ['room:1'])).to.equal('s3cret');
    expect(secretFor(parseSecretList('web:x'), ['room:1'])).to.equal('web:x');
    expect(secretFor(parseSecretList('plain'), ['room:1'])).to.equal('plain');
  });
});
