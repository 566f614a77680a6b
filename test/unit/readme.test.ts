import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { VARIABLES } from '../../src/config.ts';
import { CLOSE_REASONS } from '../../src/connection/close-reason.ts';
import { REFUSALS } from '../../src/connection/refusal.ts';
import { ERRORS } from '../../src/errors.ts';
import { RESET_REASONS } from '../../src/message/reset.ts';
import { SCENARIOS } from '../fault/scenarios.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The rows of the table whose first heading is this, cell by cell, without backticks. */
function table(heading: string): string[][] {
  const lines = README.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  expect(start, `a table of ${heading}`).to.be.at.least(0);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const plain = (cell: string): string => cell.replaceAll('`', '');

describe('the README', () => {
  it('has every variable, with its default and meaning', () => {
    const rows = table('variable').map(([name, fallback, meaning]) => [plain(name!), plain(fallback!), meaning]);
    const expected = VARIABLES.map((variable) => [variable.name, plain(variable.default), variable.meaning]);
    expect(rows).to.deep.equal(expected);
  });

  it('has every close reason', () => {
    const rows = table('close reason').map(([name, meaning]) => [plain(name!), meaning]);
    expect(rows).to.deep.equal(Object.entries(CLOSE_REASONS));
  });

  it('has every word for a refusal', () => {
    const rows = table('refusal').map(([word, why]) => [plain(word!), why]);
    expect(rows).to.deep.equal(Object.entries(REFUSALS));
  });

  it('has every error code and its status', () => {
    const rows = table('error code').map(([name, status]) => [plain(name!), Number(status)]);
    expect(rows).to.deep.equal(Object.entries(ERRORS));
  });

  it('has every reset reason', () => {
    expect(table('reset reason').map(([name]) => plain(name!))).to.have.members([...RESET_REASONS]);
  });

  it('names tests that are there', () => {
    const shown = table('promise').flatMap(([, , tests]) =>
      [...tests!.matchAll(/`([\w-]+\/[\w-]+)`/g)].map(([, name]) => name),
    );
    for (const name of shown) {
      expect(() => readFileSync(new URL(`../${name}.test.ts`, import.meta.url)), name).not.to.throw();
    }
  });

  it('names every fault scenario once', () => {
    const names = table('what fails').map((cells) => plain(cells.at(-1)!));
    expect(names).to.have.members(SCENARIOS.map(({ name }) => name));
  });
});
