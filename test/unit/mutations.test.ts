import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { MUTATIONS as FAULT_MUTATIONS } from '../fault/mutations/list.ts';
import { ALL_MUTATIONS } from '../mutations/all.ts';
import { ROOT } from '../support/mutated-copy.ts';

describe('the mistakes that the tests are tried with', () => {
  for (const { file, find } of [...ALL_MUTATIONS, ...FAULT_MUTATIONS]) {
    it(`can be made: ${find.trim().split('\n')[0]}`, () => {
      expect(readFileSync(join(ROOT, file), 'utf8').split(find), file).to.have.length(2);
    });
  }
});
