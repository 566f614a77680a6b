import { expect } from 'chai';
import fc from 'fast-check';
import { type Message, wasPublishedAfter } from '../../src/message/message.ts';
import { BEGINNING, justAfter, type Position } from '../../src/message/position.ts';
import { aMessage } from '../support/messages.ts';

const script = (id: number): Message => aMessage({ id: id as Position });
const plain = (id: number, after: number): Message => aMessage({ id: id as Position, after: after as Position });

describe('which of two messages was published first', () => {
  const table: [string, Message, Message, boolean][] = [
    ['script, then script', script(2), script(1), true],
    ['script, before script', script(1), script(2), false],
    ['plain, published and recorded after the script', plain(2, 1), script(1), true],
    ['plain, published before the script, recorded after it', plain(3, 1), script(2), false],
    ['plain, published right behind the script it names', plain(9, 5), script(5), true],
    ['script, published after a plain one that is recorded later', script(2), plain(3, 1), true],
    ['script, which the plain one names', script(1), plain(3, 1), false],
    ['plain, then plain', plain(4, 1), plain(3, 1), true],
    ['plain, before plain', plain(3, 1), plain(4, 1), false],
    ['plain before everything, then script', script(1), plain(2, 0), true],
    ['the same script', script(1), script(1), false],
    ['the same plain', plain(3, 1), plain(3, 1), false],
  ];
  for (const [name, message, mark, is] of table) {
    it(`is told for: ${name}`, () => expect(wasPublishedAfter(message, mark)).to.equal(is));
  }

  it("is Redis's order for any history of scripts and plain PUBLISHes, however late those are recorded", () => {
    fc.assert(history(wasPublishedAfter), { numRuns: 1000 });
  });

  const mutants: [string, typeof wasPublishedAfter][] = [
    ['goes by ids alone', (message, mark) => message.id > mark.id],
    [
      'takes what a plain one names as published after it',
      (m, mark) => (m.after === undefined ? m.id >= (mark.after ?? mark.id) : wasPublishedAfter(m, mark)),
    ],
    [
      'takes a plain one as published before what it names',
      (m, mark) => (m.after !== undefined && mark.after === undefined ? m.after > mark.id : wasPublishedAfter(m, mark)),
    ],
    ['goes by what is named alone', (m, mark) => (m.after ?? m.id) > (mark.after ?? mark.id)],
  ];
  for (const [name, mutant] of mutants) {
    it(`which finds an order that ${name}`, () => {
      expect(fc.check(history(mutant), { numRuns: 1000, endOnFailure: true }).failed).to.equal(true);
    });
  }
});

/** Scripts get their id at once; a plain PUBLISH waits until the recorder comes to it, in order. */
function history(isAfterIt: typeof wasPublishedAfter): fc.IProperty<unknown[]> {
  return fc.property(fc.array(fc.constantFrom('script', 'plain', 'record'), { maxLength: 20 }), (steps) => {
    const published: Message[] = [];
    const waiting: number[] = [];
    let last = BEGINNING;
    const record = (): void => {
      const index = waiting.shift();
      if (index === undefined) return;
      last = justAfter(last);
      published[index] = { ...published[index]!, id: last };
    };
    for (const step of steps) {
      if (step === 'record') record();
      else if (step === 'plain') waiting.push(published.push(plain(0, last)) - 1);
      else {
        last = justAfter(last);
        published.push(script(last));
      }
    }
    while (waiting.length > 0) record();
    for (const [i, message] of published.entries()) {
      for (const [j, mark] of published.entries()) expect(isAfterIt(message, mark)).to.equal(i > j);
    }
  }) as fc.IProperty<unknown[]>;
}
