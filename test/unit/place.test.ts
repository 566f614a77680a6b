import { expect } from 'chai';
import fc from 'fast-check';
import { formatPlace, isLater, type Place, parsePlace } from '../../src/message/place.ts';
import { BEGINNING, justAfter, type Position } from '../../src/message/position.ts';
import { places } from '../support/messages.ts';

const script = (id: number): Place => ({ id: id as Position, number: 0 });
const plain = (id: number, number: number): Place => ({ id: id as Position, number });

describe('which of two places is later', () => {
  const table: [string, Place, Place, boolean][] = [
    ['script, then script', script(2), script(1), true],
    ['script, before script', script(1), script(2), false],
    ['plain, behind the script', plain(1, 1), script(1), true],
    ['plain, before the script', plain(1, 1), script(2), false],
    ['script, behind the plain one', script(2), plain(1, 7), true],
    ['script, which the plain one stands behind', script(1), plain(1, 1), false],
    ['plain, then plain', plain(1, 2), plain(1, 1), true],
    ['plain, before plain', plain(1, 1), plain(1, 2), false],
    ['plain before everything, then script', script(1), plain(0, 1), true],
    ['the same script', script(1), script(1), false],
    ['the same plain', plain(1, 1), plain(1, 1), false],
  ];
  for (const [name, message, mark, is] of table) {
    it(`is told for: ${name}`, () => expect(isLater(message, mark)).to.equal(is));
  }

  it("is Redis's order for any history of scripts and plain PUBLISHes, however late those are recorded", () => {
    fc.assert(history(isLater), { numRuns: 1000 });
  });

  const mutants: [string, typeof isLater][] = [
    ['goes by ids alone', (a, b) => a.id > b.id],
    ['goes by numbers alone', (a, b) => a.number > b.number],
    ['takes equal places for later', (a, b) => a.id > b.id || (a.id === b.id && a.number >= b.number)],
  ];
  for (const [name, mutant] of mutants) {
    it(`which finds an order that ${name}`, () => {
      expect(fc.check(history(mutant), { numRuns: 1000, endOnFailure: true }).failed).to.equal(true);
    });
  }
});

describe('a place', () => {
  it('travels as text', () => {
    fc.assert(
      fc.property(places, (place) => {
        expect(parsePlace(formatPlace(place))).to.deep.equal(place);
      }),
    );
  });

  it('is none where the text is none', () => {
    for (const text of ['', '-', '1', '.', '1.-1', '-1.0', 'x.1', '1.x', '1.1.5', '99999999999999999.0']) {
      expect(parsePlace(text), text).to.equal(undefined);
    }
  });
});

/** Scripts get their id at once; a plain PUBLISH stands behind the last id that was given out. */
function history(isAfterIt: typeof isLater): fc.IProperty<unknown[]> {
  return fc.property(fc.array(fc.constantFrom('script', 'plain', 'record'), { maxLength: 20 }), (steps) => {
    const published: Place[] = [];
    let [last, number] = [BEGINNING, 0];
    for (const step of steps) {
      if (step === 'plain') {
        number++;
        published.push({ id: last, number });
        continue;
      }
      [last, number] = [justAfter(last), 0];
      if (step === 'script') published.push({ id: last, number });
    }
    for (const [i, place] of published.entries()) {
      for (const [j, mark] of published.entries()) expect(isAfterIt(place, mark)).to.equal(i > j);
    }
  }) as fc.IProperty<unknown[]>;
}
