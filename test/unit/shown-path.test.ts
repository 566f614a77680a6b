import { expect } from 'chai';
import { shownPath } from '../../src/http/shown-path.ts';
import { Stopwatch } from '../support/stopwatch.ts';

describe('the path in an error and in the log', () => {
  const SHOWN: [string, string][] = [
    ['/', '/'],
    ['/publish', '/publish'],
    ['/publish?access_token=s3cret', '/publish'],
    ['/a/b.txt/c-d/', '/a/b.txt/c-d/'],
    ['http://user:s3cret@host/nothing?x', '/nothing'],
    ['*', '…'],
    ['', ''],
    ['/stream&access_token=s3cret', '/…'],
    ['/stream%3Faccess_token=s3cret', '/…'],
    ['/stream;access_token=s3cret', '/…'],
    ['/stream/access_token=s3cret', '/stream/…'],
    ['/stream/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0', '/stream/…'],
    ['/stream/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', '/stream/…'],
    ['/a/b/c/d/e/f', '/a/b/c/d…'],
    ['/a\n{"event":"x"}', '/…'],
  ];
  for (const [target, shown] of SHOWN) {
    it(`is ${shown || 'nothing'} of ${JSON.stringify(target)}`, () => expect(shownPath(target)).to.equal(shown));
  }

  it('costs nothing, however long it is', () => {
    const watch = new Stopwatch();
    shownPath('/aaaaaaaaaaaaaaaaaaaa'.repeat(3000));
    shownPath(`/${'a'.repeat(60_000)}`);
    expect(watch.elapsed).to.be.below(50);
  });
});
