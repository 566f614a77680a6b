import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { MUTATIONS as FAULT_MUTATIONS } from '../fault/mutations/list.ts';
import { MUTATIONS } from '../mutations/mutations.ts';
import { RECORDER_MUTATIONS } from '../mutations/recorder.ts';
import { REFUSING_MUTATIONS } from '../mutations/refusing.ts';
import { ROOT } from '../support/mutated-copy.ts';

describe('the mistakes that the tests are tried with', () => {
  for (const { file, find } of [...MUTATIONS, ...RECORDER_MUTATIONS, ...REFUSING_MUTATIONS, ...FAULT_MUTATIONS]) {
    it(`can be made: ${find.trim().split('\n')[0]}`, () => {
      expect(readFileSync(join(ROOT, file), 'utf8').split(find), file).to.have.length(2);
    });
  }
});
