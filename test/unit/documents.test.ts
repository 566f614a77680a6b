import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { FATES } from '../../src/cli/fate.ts';
import { COMMANDS } from '../../src/cli/run.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { CLOSE_REASONS } from '../../src/connection/close-reason.ts';
import { REFUSALS } from '../../src/connection/refusal.ts';
import { ERRORS } from '../../src/errors.ts';
import { RESET_REASONS } from '../../src/message/reset.ts';
import { METRICS, OF_WORKERS } from '../../src/metrics/table.ts';
import { SCENARIOS } from '../fault/scenarios.ts';
import {
  anchorsOf,
  blocksOf,
  documents,
  filesBelow,
  linksOf,
  plain,
  ROOT,
  read,
  table,
  targetOf,
  withoutBlocks,
} from '../support/documents.ts';

const PAGES = documents();
const SOURCES = filesBelow('src', '.ts').map(withoutComments);
const LUA = filesBelow('src', '.lua').map((path) => read(path).replace(/--.*$/gm, ''));
const MANIFEST = JSON.parse(read('package.json')) as { files: string[]; scripts: Record<string, string> };
/** Keys whose names are used, and that never exist. */
const NEVER_THERE = ['nowhere', 'user:nothing'];
/** Words of errors that only gateways are answered. */
const FOR_GATEWAYS = ['CHANGED', 'CONFLICT', 'FENCED'];
const GLOSSARY_LIMIT = 20;

function withoutComments(path: string): string {
  return read(path)
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/^\s*\/\/.*$/gm, '');
}

/** What an expression's groups find in all of these. */
function found(texts: string[], expression: RegExp): string[] {
  const all = texts.flatMap((text) => [...text.matchAll(expression)]);
  return [...new Set(all.flatMap(([, ...groups]) => groups.filter((group) => group !== undefined)))].sort();
}

describe('the tables in the documents', () => {
  it('have every variable, with its default and meaning', () => {
    const rows = table('docs/reference/configuration.md', 'variable');
    const expected = VARIABLES.map((variable) => [variable.name, plain(variable.default), variable.meaning]);
    expect(rows.map(([name, fallback, meaning]) => [plain(name!), plain(fallback!), meaning])).to.deep.equal(expected);
  });

  it('have every close reason', () => {
    const rows = table('docs/reference/close-reasons.md', 'close reason');
    expect(rows.map(([name, meaning]) => [plain(name!), meaning])).to.deep.equal(Object.entries(CLOSE_REASONS));
  });

  it('have every word for a refusal', () => {
    const rows = table('docs/reference/refusals.md', 'refusal');
    expect(rows.map(([word, why]) => [plain(word!), why])).to.deep.equal(Object.entries(REFUSALS));
  });

  it('have every error code and its status', () => {
    const rows = table('docs/reference/errors.md', 'error code');
    expect(rows.map(([name, status]) => [plain(name!), Number(status)])).to.deep.equal(Object.entries(ERRORS));
  });

  it('have every word that an error of a function begins with', () => {
    const words = found(LUA, /(?:error_reply|broken)\('([A-Z]{4,})/g).filter((word) => !FOR_GATEWAYS.includes(word));
    expect(words).to.include('BADCHANNEL');
    const shown = found(
      table('docs/reference/errors.md', 'word').map(([cell]) => cell!),
      /`([A-Z]+)`/g,
    );
    expect(shown).to.include.members(words);
  });

  it('have every metric, with its type, labels and meaning', () => {
    const rows = table('docs/run/metrics.md', 'metric').map((cells) => cells.map(plain));
    const expected = [
      ...METRICS,
      { ...OF_WORKERS.up, aggregator: 'each' },
      { ...OF_WORKERS.died, aggregator: 'sum' },
    ].map((metric) => [metric.name, metric.type, metric.labels.join(', '), plain(metric.help), metric.aggregator]);
    expect(rows).to.deep.equal(expected);
    for (const [name] of rows) expect(name).to.match(/^sisyphus_[a-z_]+$/);
  });

  it('have every reset reason', () => {
    const names = table('docs/reference/resets.md', 'reset reason').map(([name]) => plain(name!));
    expect(names).to.have.members([...RESET_REASONS]);
    const [types] = blocksOf(read('docs/guides/typescript.md'));
    expect(found([types!.text], /^ {2}\| '(\w+)'/gm)).to.have.members([...RESET_REASONS]);
  });

  it('name tests of promises that are there', () => {
    const rows = table('docs/why/guarantees.md', 'promise');
    const shown = found(
      rows.map((cells) => cells[2]!),
      /`([\w-]+\/[\w-]+)`/g,
    );
    expect(shown.filter((name) => !existsSync(join(ROOT, `test/${name}.test.ts`)))).to.deep.equal([]);
  });

  it('name every fault scenario once', () => {
    const names = table('docs/why/guarantees.md', 'what fails').map((cells) => plain(cells.at(-1)!));
    expect(names).to.have.members(SCENARIOS.map(({ name }) => name));
  });

  it('have every event of the log', () => {
    const events = found(SOURCES, /\bevent: '([a-z_]+)'|(?:\.log|#warn|#report)\(\s*'([a-z_]+)'/g);
    expect(events).to.include.members(['listening', 'heal_failed', 'record_failed', 'database_differs']);
    const shown = table('docs/reference/log-events.md', 'event').map(([name]) => plain(name!));
    expect(shown).to.have.members(events);
  });

  it('say of each event what it means and what to do', () => {
    const rows = table('docs/reference/log-events.md', 'event');
    const incomplete = rows.filter((cells) => cells.length !== 4 || cells.some((cell) => cell === ''));
    expect(incomplete).to.deep.equal([]);
    const idle = rows.filter(([, level, , action]) => /^(error|fatal)/.test(level!) && action === 'nothing');
    expect(idle, 'errors about which nothing is to be done').to.deep.equal([]);
  });

  it('have the level of each event that is written in one place at one level', () => {
    const levels = new Map<string, string>();
    const expression = /\blog(?:ger)?\??\.(\w+)\(\s*(?:'\w+',\s*)?\{\s*event: '([a-z_]+)'/g;
    for (const source of SOURCES) {
      for (const [, level, event] of source.matchAll(expression))
        levels.set(event!, level!.replace('warnOnce', 'warn'));
    }
    expect(levels.size).to.be.above(30);
    const shown = new Map(table('docs/reference/log-events.md', 'event').map(([name, level]) => [plain(name!), level]));
    for (const [event, level] of levels) expect(shown.get(event), event).to.equal(level);
  });

  it('have every key in Redis, and every topic', () => {
    const words = [...new Set([...found(LUA, /PREFIX \.\. '([a-z]+)/g), ...found(SOURCES, /declared\}:([a-z]+)/g)])];
    const ofUsers = found(LUA, /user_key\([^,]+, '([a-z]+)'\)/g).map((part) => `:${part}`);
    const ends = [...found(LUA, /\.\. '(:[a-z_]+)'/g), ...ofUsers];
    expect(words).to.include.members(['clock', 'channel', 'user']);
    expect(ends).to.include.members([':msg_id', ':rights']);
    const keys = table('docs/reference/keys-in-redis.md', 'key').map(([key]) =>
      plain(key!).replace('sisyphus:{0}:', ''),
    );
    const parts = [...keys, ...NEVER_THERE].map((key) => key.split(':'));
    expect(new Set(parts.map(([word]) => word))).to.have.all.keys(words);
    const shownEnds = parts.filter(({ length }) => length > 1).map((part) => `:${part.at(-1)}`);
    expect(new Set(shownEnds.filter((end) => !end.includes('<')))).to.have.all.keys(ends);
    const topics = table('docs/reference/keys-in-redis.md', 'topic').map(([topic]) => plain(topic!).split('/')[1]!);
    expect(topics.filter((topic) => topic.startsWith('@'))).to.have.members(found(LUA, /TOPIC \.\. '(@[a-z]+)'/g));
  });

  it('have every function in Redis', () => {
    const rows = table('docs/reference/redis-functions.md', 'function').map(([cell]) => cell!);
    const defined = found(LUA, /^define\('([a-z_]+)'/gm).map((name) => `sisyphus_${name}`);
    expect(defined).to.include('sisyphus_publish');
    expect(found(rows, /`(sisyphus_\w+)`/g)).to.deep.equal(defined);
  });

  it('have every path of HTTP', () => {
    const [source] = [read('src/http/router.ts')];
    const stream = found([source!], /STREAM = \['([^']*)', '([^']*)'\]/g).map((path) => `GET ${path}`);
    const routes = [...source!.matchAll(/router\.(get|post|put|patch|delete)\('([^']+)'/g)];
    const expected = [
      ...stream,
      ...routes.map(([, method, path]) => `${method!.toUpperCase()} ${path!.replace(/:(\w+)/g, '<$1>')}`),
    ];
    const cells = table('docs/reference/http-api.md', 'method and path').map(([cell]) => cell!);
    expect(found(cells, /`((?:GET|POST|PUT|PATCH|DELETE) [^`]+)`/g)).to.have.members(expected);
  });

  it('have all that may have come of a message', () => {
    const rows = table('docs/reference/cli.md', 'the message').map(([cell]) => cell);
    expect(rows).to.deep.equal(Object.values(FATES));
  });

  it('have every command, and its options', () => {
    const commands = table('docs/reference/cli.md', 'command').map(([name]) => plain(name!));
    expect(commands).to.deep.equal(COMMANDS.map(({ name, parameters }) => `${name} ${parameters}`.trim()));
    const options = table('docs/reference/cli.md', 'option').map((cells) => cells.map(plain));
    const expected = COMMANDS.flatMap(({ name, options }) =>
      Object.entries(options).map(([option, { meaning }]) => [`--${option}`, name, meaning]),
    );
    expect(options).to.deep.equal(expected);
  });
});

describe('the documents', () => {
  it('begin with what they are about: a heading, and a paragraph', () => {
    for (const [path, text] of PAGES) expect(text, path).to.match(/^# .+\n\n(?!```|[|#\n-])/);
  });

  it('lead only to files and headings that are there', () => {
    const broken = [...PAGES].flatMap(([path, text]) =>
      linksOf(text)
        .filter((link) => {
          const { file, anchor } = targetOf(path, link);
          if (!existsSync(join(ROOT, file))) return true;
          return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
        })
        .map((link) => `${path}: ${link}`),
    );
    expect(broken).to.deep.equal([]);
  });

  it('are all reached from the README, and listed in docs/README.md', () => {
    const reached = new Set(['README.md']);
    for (const path of reached) {
      for (const link of linksOf(PAGES.get(path) ?? '')) {
        const { file } = targetOf(path, link);
        if (PAGES.has(file)) reached.add(file);
      }
    }
    expect([...PAGES.keys()].filter((path) => !reached.has(path))).to.deep.equal([]);
    const listed = linksOf(read('docs/README.md')).map((link) => targetOf('docs/README.md', link).file);
    const pages = [...PAGES.keys()].filter((path) => /^docs\/(?!README|decisions\/2)/.test(path));
    expect(pages.filter((path) => !listed.includes(path))).to.deep.equal([]);
  });

  it('that are shipped lead only to what is shipped', () => {
    const shipped = ['README.md', 'LICENSE', ...MANIFEST.files];
    const isShipped = (file: string): boolean =>
      shipped.some((entry) => file === entry || file.startsWith(`${entry}/`));
    const dangling = [...PAGES]
      .filter(([path]) => isShipped(path))
      .flatMap(([path, text]) => linksOf(text).map((link) => targetOf(path, link).file))
      .filter((file) => !isShipped(file));
    expect(dangling).to.deep.equal([]);
    expect(new Set(MANIFEST.files).size, 'each is named once').to.equal(MANIFEST.files.length);
    expect(shipped.filter((entry) => entry !== 'dist' && !existsSync(join(ROOT, entry)))).to.deep.equal([]);
    for (const needed of [
      'bin/sisyphus',
      'dist',
      'src/store/redis/lua',
      'src/live-page',
      'src/console',
      'docs',
      'CHANGELOG.md',
      'SECURITY.md',
    ])
      expect(shipped).to.include(needed);
  });

  it('name only variables, commands and files that are there', () => {
    const texts = [...PAGES.values()];
    const names = VARIABLES.map(({ name }) => name as string);
    const service = /^SISYPHUS_(SERVICE_HOST|PORT)$/;
    const variables = found(texts, /\b(SISYPHUS_[A-Z_]*[A-Z])\b/g).filter((name) => !service.test(name));
    expect(variables.filter((name) => !names.includes(name))).to.deep.equal([]);
    const scripts = found(texts, /npm run ([\w:-]+)/g);
    expect(scripts.filter((name) => MANIFEST.scripts[name] === undefined)).to.deep.equal([]);
    const commands = found(texts, /bin\/sisyphus ([a-z][a-z-]*)/g);
    expect(commands.filter((name) => !COMMANDS.some((command) => command.name === name))).to.deep.equal([]);
    const files = found(texts, /`((?:src|test|bin|bench)\/[\w./-]+)`/g);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).to.deep.equal([]);
  });

  it('have a README of at most 150 lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).to.be.at.most(150);
  });

  it('have a glossary of at most twenty words', () => {
    expect(table('docs/design/overview.md', 'word')).to.have.length.at.most(GLOSSARY_LIMIT);
  });
});

describe('each decision', () => {
  const INDEX = 'docs/decisions/README.md';
  const decisions = filesBelow('docs/decisions', '.md').filter((path) => path !== INDEX);

  it('has its date in its name and text, and says what would change it', () => {
    expect(decisions.length).to.be.above(50);
    for (const path of decisions) {
      const [, date] = /^docs\/decisions\/(\d{4}-\d{2}-\d{2})-[a-z0-9-]+\.md$/.exec(path) ?? [];
      expect(date, path).not.to.equal(undefined);
      expect(read(path), path).to.match(
        new RegExp(`^# .+\\n\\nDecided on ${date}\\.\\n\\n\\S[^#]+\\n\\n## What would change it\\n\\n\\S[^#]+$`),
      );
    }
  });

  it('is in the list once, with its date and its heading', () => {
    const lines = withoutBlocks(read(INDEX))
      .split('\n')
      .filter((line) => line.startsWith('- '));
    const expected = decisions.map((path) => {
      const name = path.split('/').at(-1)!;
      const [, heading] = /^# (.+)$/m.exec(read(path))!;
      return `- ${name.slice(0, 10)}: [${heading}](${name})`;
    });
    expect(lines).to.have.members(expected);
  });
});
