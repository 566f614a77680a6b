import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { LIBRARY, VERSION } from '../../src/store/redis/library.ts';

const FOLDER = new URL('../../src/store/redis/lua/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');
const luaFiles = (folder: string): string[] =>
  readdirSync(new URL(folder, FOLDER))
    .filter((name) => name.endsWith('.lua'))
    .map((name) => folder + name);

const FUNCTIONS = luaFiles('functions/');

/**
 * The digest of each library, by its number. A line is never changed: gateways take two libraries with one number for the
 * same, and would go on with whichever was loaded first.
 */
const DIGESTS: Record<number, string> = {
  8: 'fe6d7d8f081187fe',
  9: 'b76b7862c45ead72',
  10: '475c82e66dd8b8d2',
  14: 'ed3be1d5a92b8227',
  15: '096a27303242ce16',
  16: '64af5e7b2f8d9b0f',
  17: 'b70339efaefc9022',
  18: '7b4056bf31a856bd',
  19: '0fd9c9d7759847ef',
  20: '7442e42fe99fc964',
};

/** Of the code alone: without comments, empty lines and the number. */
function digestOf(library: string): string {
  const code = library.split('\n').filter((line) => !/^\s*(--.*)?$|^local VERSION = /.test(line));
  return createHash('sha256').update(code.join('\n')).digest('hex').slice(0, 16);
}

describe('the library of functions', () => {
  it('has another number once its code is another', () => {
    const digest = digestOf(LIBRARY);
    const expected = `expected VERSION = ${VERSION + 1} in lua/functions/version.lua, and ${VERSION + 1}: '${digest}' here`;
    expect(digest, expected).to.equal(DIGESTS[VERSION]);
    expect(VERSION).to.equal(Math.max(...Object.keys(DIGESTS).map(Number)));
  });

  it('answers an error with what was expected, and not with what "is right"', () => {
    const replies = [...LIBRARY.matchAll(/error_reply\((.*)\)/g)].map(([, text]) => text!);
    expect(replies).to.have.length.above(15);
    expect(replies.filter((text) => /\b(?:is|are) right\b/.test(text))).to.deep.equal([]);
  });

  it('has every file, once', () => {
    for (const name of [...luaFiles(''), ...FUNCTIONS]) expect(LIBRARY.split(read(name)), name).to.have.length(2);
  });

  it('gives no name to two things that are shared', () => {
    const names = luaFiles('').flatMap((name) =>
      [...read(name).matchAll(/^local (?:function )?([\w, ]+)/gm)].flatMap(([, list]) => list!.trim().split(/, */)),
    );
    expect(names.filter((name, i) => names.indexOf(name) !== i)).to.deep.equal([]);
  });

  it('has room for names that are shared: Lua has 200', () => {
    const count = (name: string): number =>
      [...read(name).matchAll(/^local (?:function )?([\w, ]+)/gm)].flatMap(([, list]) => list!.split(',')).length;
    const shared = luaFiles('').reduce((sum, name) => sum + count(name), 0);
    expect(shared, 'expected names that one file needs to be in a block of their own').to.be.at.most(200);
  });

  for (const name of FUNCTIONS) {
    it(`says what ${name} takes and answers`, () => {
      const text = read(name);
      const [, defined, flags] = /^define\('(\w+)', \{(.*?)\}/m.exec(text)!;
      expect(name).to.equal(`functions/${defined!.replaceAll('_', '-')}.lua`);
      const call = flags!.includes('no-writes') ? 'FCALL_RO' : 'FCALL';
      const [, header] = new RegExp(`^(-- ${call} sisyphus_${defined} 1 <key>.*\n(?:--.*\n)+)`, 'm').exec(text) ?? [];
      expect(header, 'expected a comment that begins with the call').to.be.a('string');
      for (const part of ['Keys', 'Arguments', 'Result', 'Errors'])
        expect(header).to.match(new RegExp(`^-- ${part}: `, 'm'));
    });
  }
});
