import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
/** Static and dynamic imports and re-exports, of types too. */
const IMPORTS = [
  /^(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'/gm,
  /^import\s+'([^']+)'/gm,
  /\bimport\('([^']+)'\)/g,
];

/** Which parts a part may know. What every part may know is the ground: errors, logger, configuration (`config/`), patterns. */
const KNOWS: Record<string, string[]> = {
  ground: [],
  message: [],
  client: [],
  counters: ['connection', 'message'],
  connection: ['message'],
  auth: ['connection', 'message'],
  backlog: ['message'],
  collection: ['message'],
  sync: [],
  hub: ['backlog', 'counters', 'message'],
  recorder: ['counters', 'message'],
  reading: ['backlog', 'connection', 'counters', 'hub', 'message'],
  session: ['backlog', 'connection', 'counters', 'hub', 'limits', 'message', 'reading'],
  limits: [],
  poll: ['connection', 'message'],
  metrics: ['connection', 'counters', 'message'],
  store: ['backlog', 'collection', 'connection', 'hub', 'message', 'poll', 'recorder'],
  http: [
    ...[
      'auth',
      'backlog',
      'collection',
      'connection',
      'counters',
      'hub',
      'limits',
      'message',
      'metrics',
      'poll',
      'reading',
      'session',
      'sync',
    ],
  ],
  context: [
    ...[
      'backlog',
      'collection',
      'connection',
      'counters',
      'hub',
      'http',
      'limits',
      'message',
      'metrics',
      'poll',
      'recorder',
      'session',
      'store',
    ],
  ],
  gateway: ['context'],
  cli: ['backlog', 'collection', 'counters', 'gateway', 'http', 'limits', 'message', 'metrics', 'session', 'store'],
};
const GROUND = [
  'config',
  'errors',
  'exposure',
  'folding',
  'glob',
  'histogram',
  'logger',
  'mask',
  'output',
  'patience',
  'publish-secrets',
  'readable-log',
  'repeats',
  'root',
  'secret-digest',
  'version',
];

const DOORS: [string, RegExp][] = [
  ['koa', /^http\//],
  ['koa-router', /^http\//],
  ['ioredis', /^store\/redis\//],
  ['pino', /^logger\.ts$/],
  ['prom-client', /^metrics\//],
  ['fast-xml-parser', /^message\/xml\.ts$/],
  ['eventsource-parser', /^cli\/tail\.ts$/],
  ['jose', /^auth\/(?:jwt|jwks)\.ts$/],
  ['lru-cache', /^auth\/forward\.ts$/],
  ['rate-limiter-flexible', /^limits\/rate\.ts$/],
  ['react', /^client\/react\.ts$/],
  ['ipaddr.js', /^(?:config\/auth-values|auth\/trusted-proxies)\.ts$/],
];

type Imports = Map<string, string[]>;

function importsOf(source: string): string[] {
  return IMPORTS.flatMap((expression) => [...source.matchAll(expression)].map((match) => match[1]));
}

/** From each file, by its path under src, to what it imports; its own files by their paths too. */
function readImports(): Imports {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return new Map(
    files.map((file) => {
      const found = importsOf(readFileSync(join(SRC, file), 'utf8'));
      // An entry of the client is imported as the file that it is built to.
      const source = (name: string): string => posix.join(dirname(file), name).replace(/\.js$/, '.ts');
      return [file, found.map((name) => (name.startsWith('.') ? source(name) : name))];
    }),
  );
}

function partOf(file: string): string {
  const name = file.replace(/\.ts$/, '').split('/')[0];
  return GROUND.includes(name) ? 'ground' : name;
}

function findCycle(imports: Imports): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of imports.get(file) ?? []) {
      const cycle = visit(next, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}

function upwards(imports: Imports): string[] {
  return pairs(imports)
    .filter(([file, name]) => {
      if (!imports.has(name)) return false;
      const [from, to] = [partOf(file), partOf(name)];
      return from !== to && to !== 'ground' && !KNOWS[from]?.includes(to);
    })
    .map(([file, name]) => `${file} imports ${name}`);
}

function strangers(imports: Imports): string[] {
  return pairs(imports)
    .filter(([file, name]) => {
      if (imports.has(name) || name.startsWith('node:')) return false;
      const door = DOORS.find(([thirdParty]) => name === thirdParty || name.startsWith(`${thirdParty}/`));
      return !door?.[1].test(file);
    })
    .map(([file, name]) => `${file} imports ${name}`);
}

function pairs(imports: Imports): [string, string][] {
  return [...imports].flatMap(([file, names]) => names.map((name): [string, string] => [file, name]));
}

describe('imports', () => {
  const imports = readImports();

  it('are found', () => {
    expect(imports.size).to.be.above(40);
    expect(
      importsOf(`import {\n  a,\n} from './a.ts';\nexport type { B } from './b.ts';\nawait import('./c.ts');`),
    ).to.deep.equal(['./a.ts', './b.ts', './c.ts']);
  });

  it('name files that are there, so that each counts', () => {
    const missing = pairs(imports).filter(([, name]) => name.endsWith('.ts') && !imports.has(name));
    expect(missing).to.deep.equal([]);
  });

  it('go around in no cycle, those of types counted', () => {
    expect(findCycle(imports)?.join(' → ')).to.equal(undefined);
    expect(
      findCycle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).to.deep.equal(['b', 'c', 'b']);
  });

  it('go downwards: message, connection, session, http, gateway, cli', () => {
    expect(upwards(imports)).to.deep.equal([]);
    const up: Imports = new Map([
      ['message/a.ts', ['hub/b.ts']],
      ['hub/b.ts', ['errors.ts']],
      ['errors.ts', []],
    ]);
    expect(upwards(up)).to.deep.equal(['message/a.ts imports hub/b.ts']);
  });

  it('know a third-party package only behind its door', () => {
    expect(strangers(imports)).to.deep.equal([]);
    expect(strangers(new Map([['hub/a.ts', ['ioredis', 'node:net']]]))).to.deep.equal(['hub/a.ts imports ioredis']);
  });

  it('leave the socket of a stream to its writer', () => {
    const touching = pairs(imports).filter(([file, name]) => name === 'node:net' && partOf(file) === 'connection');
    const below = ['direct-write', 'kernel-queues', 'socket-writer'].map((name) => `connection/${name}.ts`);
    expect(touching.map(([file]) => file).sort()).to.deep.equal(below);
    const users = pairs(imports).filter(([, name]) => name === below[0]);
    expect(users.map(([file]) => file)).to.deep.equal([below[2]]);
  });

  it('leave the environment to the command line', () => {
    const readers = [...imports.keys()].filter((file) =>
      /process\.env|\benv\b[^=\n]*=\s*process\b/.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(readers.filter((file) => partOf(file) !== 'cli')).to.deep.equal([]);
  });
});
